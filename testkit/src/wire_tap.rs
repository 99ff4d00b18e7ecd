//! A wire that remembers: passes bytes between clients and a server, changes
//! none, and keeps a copy of each direction. With several servers it is a
//! balancer: each connection goes to the next one that takes it, or, where it
//! only knows who is in its [`Rotation`], to the next one of these, whether it
//! takes it or not. It can stop passing on what some connections carry, and
//! leave them open.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
    task::JoinHandle,
};

#[derive(Clone, Copy)]
enum Direction {
    ToServer,
    ToClient,
}

/// The recorded bytes of a connection.
#[derive(Default)]
struct Wire {
    to_server: Vec<u8>,
    to_client: Vec<u8>,
}

/// The state shared by all connections of a tap.
struct Shared {
    wires: Mutex<Vec<Wire>>,
    /// Connections on which a client sent these words are stalled.
    silenced: watch::Sender<Option<String>>,
}

/// The listening end. Stops when dropped.
pub struct WireTap {
    address: SocketAddr,
    shared: Arc<Shared>,
    rotation: Rotation,
    task: JoinHandle<()>,
}

/// The servers that a [`WireTap`] leads to.
#[derive(Clone)]
pub(crate) struct Rotation {
    servers: Arc<Mutex<Vec<SocketAddr>>>,
    /// Whether a server that accepts no connection is skipped.
    passes_over: bool,
}

impl Rotation {
    /// Rotates over `servers`; skips a server that accepts no connection.
    pub(crate) fn of(servers: Vec<SocketAddr>) -> Self {
        Self {
            servers: Arc::new(Mutex::new(servers)),
            passes_over: true,
        }
    }

    /// Rotates over the members that [`Rotation::set`] sets; skips none, as if a
    /// packet filter picked the server.
    pub(crate) fn told() -> Self {
        Self {
            servers: Arc::default(),
            passes_over: false,
        }
    }

    /// Adds or removes `server`.
    pub(crate) fn set(&self, server: SocketAddr, is_in: bool) {
        let mut servers = self.servers.lock();
        if !is_in {
            servers.retain(|one| *one != server);
        } else if !servers.contains(&server) {
            servers.push(server);
        }
    }

    /// Whether `server` receives connections.
    pub(crate) fn has(&self, server: SocketAddr) -> bool {
        self.servers.lock().contains(&server)
    }

    /// The servers to try for the next connection, in order.
    fn next(&self) -> Vec<SocketAddr> {
        let mut servers = self.servers.lock();
        let to_try = if self.passes_over { servers.len() } else { 1 };
        let next = servers.iter().copied().take(to_try).collect();
        if !servers.is_empty() {
            servers.rotate_left(1);
        }
        next
    }
}

impl WireTap {
    /// Listens on a free loopback port in front of `server`.
    pub fn in_front_of(server: SocketAddr) -> Self {
        Self::on(TcpListener::bind(("127.0.0.1", 0)).unwrap(), vec![server])
    }

    /// Listens on `listener` and rotates over `servers`; skips a server that
    /// accepts no connection.
    pub fn on(listener: TcpListener, servers: Vec<SocketAddr>) -> Self {
        Self::leading_to(listener, Rotation::of(servers))
    }

    /// Listens on `listener` and sends connections to the members of `rotation`.
    pub(crate) fn leading_to(listener: TcpListener, rotation: Rotation) -> Self {
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let shared = Arc::new(Shared {
            wires: Mutex::default(),
            silenced: watch::Sender::default(),
        });
        let (kept, next) = (Arc::clone(&shared), rotation.clone());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, next.next(), Arc::clone(&kept)));
            }
        });
        Self {
            address,
            shared,
            rotation,
            task,
        }
    }

    /// The address of the listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The servers behind the tap.
    pub(crate) fn rotation(&self) -> &Rotation {
        &self.rotation
    }

    /// All bytes that clients sent.
    pub fn requests(&self) -> String {
        self.text(|wire| &wire.to_server)
    }

    /// All bytes that the server sent.
    pub fn answers(&self) -> String {
        self.text(|wire| &wire.to_client)
    }

    /// Stalls, in both directions, the connections on which a client
    /// has sent `words`. They stay open, as if the other side had lost power.
    pub fn silence(&self, words: &str) {
        self.shared.silenced.send_replace(Some(words.to_owned()));
    }

    /// Resumes the stalled connections, starting with the withheld bytes.
    pub fn unsilence(&self) {
        self.shared.silenced.send_replace(None);
    }

    /// Forgets the recorded bytes.
    pub fn forget(&self) {
        for wire in self.shared.wires.lock().iter_mut() {
            *wire = Wire::default();
        }
    }

    /// The values of `"name":"value"` in all JSON answers.
    pub fn answered_values(&self, name: &str) -> Vec<String> {
        let answers = self.answers();
        let mark = format!("\"{name}\":");
        let after = answers.split(&mark).skip(1);
        after
            .filter_map(|rest| {
                Some(
                    rest.trim_start()
                        .strip_prefix('"')?
                        .split('"')
                        .next()?
                        .to_owned(),
                )
            })
            .collect()
    }

    fn text(&self, direction: fn(&Wire) -> &Vec<u8>) -> String {
        let wires = self.shared.wires.lock();
        wires
            .iter()
            .map(|wire| String::from_utf8_lossy(direction(wire)).into_owned() + "\n")
            .collect()
    }
}

impl Drop for WireTap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Forwards a connection to the first of `servers` that accepts it.
async fn pass(client: TcpStream, servers: Vec<SocketAddr>, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(&servers[..]).await else {
        return;
    };
    let number = {
        let mut all = shared.wires.lock();
        all.push(Wire::default());
        all.len() - 1
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        copy(from_client, to_server, &shared, number, Direction::ToServer),
        copy(from_server, to_client, &shared, number, Direction::ToClient),
    );
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    number: usize,
    way: Direction,
) {
    let mut silenced = shared.silenced.subscribe();
    let mut chunk = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        shared.keep(number, way, &chunk[..length]);
        let may_go = |words: &Option<String>| {
            let words = words.as_deref();
            words.is_none_or(|words| !shared.has_said(number, words))
        };
        // The sender outlives this task, because `shared` holds it.
        let _ = silenced.wait_for(may_go).await;
        if to.write_all(&chunk[..length]).await.is_err() {
            break;
        }
    }
    // Passes the end of this direction on.
    let _ = to.shutdown().await;
}

impl Shared {
    fn keep(&self, number: usize, way: Direction, bytes: &[u8]) {
        let wire = &mut self.wires.lock()[number];
        let kept = match way {
            Direction::ToServer => &mut wire.to_server,
            Direction::ToClient => &mut wire.to_client,
        };
        kept.extend_from_slice(bytes);
    }

    fn has_said(&self, number: usize, words: &str) -> bool {
        let said = &self.wires.lock()[number].to_server;
        said.windows(words.len())
            .any(|part| part == words.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers each connection with `word` after it has sent something.
    async fn server(word: &'static str) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                // A task for each connection, so that a silent one blocks no other.
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 16]).await;
                    let _ = stream.write_all(word.as_bytes()).await;
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn each_connection_goes_to_the_next_server_and_is_remembered() {
        let servers = vec![
            server("\"token\":\"one\"").await,
            server("\"token\": \"two\"").await,
        ];
        let tap = WireTap::on(TcpListener::bind("127.0.0.1:0").unwrap(), servers);
        for said in ["first", "second", "third"] {
            let mut stream = TcpStream::connect(tap.address()).await.unwrap();
            stream.write_all(said.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
        }
        assert_eq!(tap.answered_values("token"), ["one", "two", "one"]);
        assert_eq!(tap.requests(), "first\nsecond\nthird\n");
        tap.forget();
        assert!(tap.answers().trim().is_empty());
    }

    #[tokio::test]
    async fn a_server_that_takes_no_connection_is_passed_over() {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap();
        let servers = vec![gone.local_addr().unwrap(), server("here").await];
        drop(gone);
        let tap = WireTap::on(TcpListener::bind("127.0.0.1:0").unwrap(), servers);
        for _ in 0..3 {
            let mut stream = TcpStream::connect(tap.address()).await.unwrap();
            stream.write_all(b"hello").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, "here");
        }
    }

    #[tokio::test]
    async fn one_who_is_in_the_rotation_gets_connections_whether_it_takes_them_or_not() {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap();
        let (gone_at, here) = (gone.local_addr().unwrap(), server("here").await);
        drop(gone);
        let rotation = Rotation::told();
        let tap = WireTap::leading_to(TcpListener::bind("127.0.0.1:0").unwrap(), rotation);
        let ask = async || {
            let mut stream = TcpStream::connect(tap.address()).await.unwrap();
            // A connection that is closed at once may break on a write.
            let _ = stream.write_all(b"hello").await;
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer).await;
            answer
        };
        assert_eq!(ask().await, "");
        tap.rotation().set(gone_at, true);
        tap.rotation().set(here, true);
        assert_eq!([ask().await, ask().await, ask().await], ["", "here", ""]);
        tap.rotation().set(gone_at, false);
        assert_eq!([ask().await, ask().await], ["here", "here"]);
    }

    #[tokio::test]
    async fn a_silenced_connection_stays_open_and_the_others_go_on() {
        let tap = WireTap::in_front_of(server("answer").await);
        tap.silence("quiet");
        let connect = async |word: &'static [u8]| {
            let mut stream = TcpStream::connect(tap.address()).await.unwrap();
            stream.write_all(word).await.unwrap();
            stream
        };
        let mut quiet = connect(b"quiet, please").await;
        let mut other = connect(b"hello").await;
        let mut answer = String::new();
        other.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
        let heard = async {
            while !tap.requests().contains("quiet") {
                tokio::task::yield_now().await;
            }
        };
        let patience = std::time::Duration::from_secs(20);
        tokio::time::timeout(patience, heard).await.unwrap();
        assert_eq!(tap.answers().matches("answer").count(), 1);
        tap.unsilence();
        let mut answer = String::new();
        quiet.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
    }
}
