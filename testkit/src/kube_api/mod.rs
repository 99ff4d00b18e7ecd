//! A stand-in for the Kubernetes API server: it serves the Secrets of one
//! namespace over real HTTPS, each with its `resourceVersion`, under a role with the
//! rights of the chart's role. It responds as the real server does to `sso-lab
//! secrets`, and a test can make it fail.

mod answer;

use crate::tls_front::acceptor;
use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
};

use hyper::{server, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::{sync::Barrier, task::JoinHandle};

use self::answer::handle;

/// The namespace.
const NAMESPACE: &str = "sso";

/// The server. Stops when dropped.
pub struct KubeApi {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
    /// A pod's service account files: `token` and `ca.crt`.
    folder: TempDir,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    secrets: BTreeMap<String, Secret>,
    /// The latest `resourceVersion`.
    version: u64,
    token: String,
    /// The Secrets that the role may get and patch.
    allowed: Vec<String>,
    /// The statuses of the next responses, whatever the requests.
    refusals: Vec<u16>,
    /// The number of writes before writes get no response.
    writes_left: Option<usize>,
    /// The barrier of the next writes.
    meeting: Option<(Arc<Barrier>, usize)>,
    /// A concurrent write just before the next write.
    meanwhile: Option<(String, String, Vec<u8>)>,
    requests: Vec<String>,
}

#[derive(Clone, Default)]
struct Secret {
    version: u64,
    labels: BTreeMap<String, String>,
    data: BTreeMap<String, Vec<u8>>,
}

impl KubeApi {
    /// Starts it with a role for the Secrets `allowed`.
    pub fn start(allowed: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (acceptor, ca) = acceptor(&["127.0.0.1"], &[]);
        std::fs::write(folder.path().join("ca.crt"), ca).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let state = Arc::new(Mutex::new(State {
            allowed: allowed.iter().map(|name| (*name).to_owned()).collect(),
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, state) = (acceptor.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    // A client that does not trust the certificate disconnects here.
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = service_fn(|request| handle(Arc::clone(&state), request));
                    let _ = server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        let api = Self {
            state,
            address,
            folder,
            serving,
        };
        api.replace_token("first-token");
        api
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The folder in which a pod finds token and CA.
    pub fn service_account(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The flags with which a command reaches the server.
    pub fn flags(&self) -> Vec<String> {
        [
            "--namespace",
            NAMESPACE,
            "--kubernetes-host",
            "127.0.0.1",
            "--kubernetes-port",
            &self.address.port().to_string(),
            "--service-account",
            &self.folder.path().display().to_string(),
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// Accepts only `token` from now on, and writes it to the pod's file.
    pub fn replace_token(&self, token: &str) {
        token.clone_into(&mut self.state.lock().token);
        std::fs::write(self.folder.path().join("token"), format!("{token}\n")).unwrap();
    }

    /// Creates a Secret, as a person would by hand.
    pub fn put(&self, name: &str, data: &[(&str, &[u8])]) {
        let mut state = self.state.lock();
        state.version += 1;
        let version = state.version;
        let data = data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.to_vec()));
        let secret = Secret {
            version,
            data: data.collect(),
            ..Secret::default()
        };
        state.secrets.insert(name.to_owned(), secret);
    }

    /// The content of the Secret `name`.
    pub fn data(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        let state = self.state.lock();
        let secret = state.secrets.get(name);
        secret
            .unwrap_or_else(|| panic!("no Secret {name}"))
            .data
            .clone()
    }

    /// The labels of the Secret `name`.
    pub fn labels(&self, name: &str) -> BTreeMap<String, String> {
        self.state.lock().secrets[name].labels.clone()
    }

    /// The names of all Secrets.
    pub fn names(&self) -> Vec<String> {
        self.state.lock().secrets.keys().cloned().collect()
    }

    /// The requests so far, as `METHOD path`.
    pub fn requests(&self) -> Vec<String> {
        self.state.lock().requests.clone()
    }

    /// Answers the next requests with these statuses, without executing them.
    pub fn refuse_next(&self, statuses: &[u16]) {
        self.state.lock().refusals = statuses.iter().rev().copied().collect();
    }

    /// After `writes` more writes, a write is neither executed nor answered.
    pub fn hang_after(&self, writes: usize) {
        self.state.lock().writes_left = Some(writes);
    }

    /// Answers writes again.
    pub fn hang_no_more(&self) {
        self.state.lock().writes_left = None;
    }

    /// The next `count` writes wait until all of them have arrived.
    pub fn let_writes_meet(&self, count: usize) {
        self.state.lock().meeting = Some((Arc::new(Barrier::new(count)), count));
    }

    /// Just before the next write, a concurrent write sets `key` of `name` to `value`.
    pub fn overtake_next_write(&self, name: &str, key: &str, value: &[u8]) {
        let other = (name.to_owned(), key.to_owned(), value.to_vec());
        self.state.lock().meanwhile = Some(other);
    }
}

impl Drop for KubeApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
