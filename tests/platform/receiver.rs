//! An app that is told of logouts, played by a little HTTP server, and a
//! configuration of the provider that tells it.

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    hash::{BuildHasher as _, Hasher as _},
    io::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use testkit::UnverifiedClaims;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// The provider's built-in configuration.
pub const BUILT_IN: &str = include_str!("../../services/idp/src/settings/default.toml");

/// How long news may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// One call that came in.
#[derive(Clone, Debug)]
pub struct Told {
    /// The request line and the headers, in lower case.
    pub head: Vec<String>,
    /// The form.
    pub form: BTreeMap<String, String>,
}

impl Told {
    /// The logout token, not verified.
    pub fn token(&self) -> UnverifiedClaims {
        UnverifiedClaims::of(&self.form["logout_token"])
    }
}

/// The server. It ends with the test's runtime, or when it is dropped.
pub struct Receiver {
    told: Arc<Mutex<Vec<Told>>>,
    status: Arc<AtomicU16>,
    task: tokio::task::JoinHandle<()>,
}

impl Receiver {
    /// At `port` of loopback.
    pub async fn at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let (told, status) = (
            Arc::<Mutex<Vec<Told>>>::default(),
            Arc::new(AtomicU16::new(200)),
        );
        let (all, answers) = (Arc::clone(&told), Arc::clone(&status));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (all, answers) = (Arc::clone(&all), Arc::clone(&answers));
                tokio::spawn(async move {
                    let _ = serve(stream, &all, &answers).await;
                });
            }
        });
        Self { told, status, task }
    }

    /// Answers with `status` from now on.
    pub fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// All that came in.
    pub fn all(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// The same, once there are `count`.
    pub async fn told(&self, count: usize) -> Vec<Told> {
        let enough = async {
            while self.all().len() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, enough).await;
        assert!(in_time.is_ok(), "{count} expected: {:?}", self.all());
        self.all()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    stream: TcpStream,
    all: &Mutex<Vec<Told>>,
    status: &AtomicU16,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim().to_lowercase();
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    let length = head
        .iter()
        .find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.map_or(0, |text| text.trim().parse().unwrap())];
    stream.read_exact(&mut body).await?;
    let form = url::form_urlencoded::parse(&body).into_owned().collect();
    all.lock().unwrap().push(Told { head, form });
    let status = status.load(Ordering::SeqCst);
    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await
}

/// A port of loopback where nobody listens now. It is below the range from which systems
/// take the ports of outgoing connections: one of these could have it soon.
pub fn free_port() -> u16 {
    let random = || RandomState::new().build_hasher().finish();
    let ports = std::iter::repeat_with(|| 10_000 + u16::try_from(random() % 9_000).unwrap());
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.take(1_000).find(is_free).unwrap()
}

/// The built-in configuration, with `demo_rp` told at `port`.
pub fn telling(port: u16) -> String {
    let client = "client_id = \"demo_rp\"\n";
    let uri = format!(
        "{client}backchannel_logout_uri = \"http://127.0.0.1:{port}/told\"\n\
         backchannel_logout_session_required = true\n"
    );
    assert!(BUILT_IN.contains(client));
    BUILT_IN.replace(client, &uri)
}

/// `text` in a file, as long as what comes back lives.
pub fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}
