//! A wire that remembers: passes bytes between clients and a server, changes
//! none, and keeps a copy of each direction. With several servers it is a
//! balancer: each connection goes to the next one.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    task::JoinHandle,
};

#[derive(Clone, Copy)]
enum Direction {
    ToServer,
    ToClient,
}

/// What went over one connection.
#[derive(Default)]
struct Wire {
    to_server: Vec<u8>,
    to_client: Vec<u8>,
}

/// The listening end. It ends when dropped.
pub struct Tap {
    address: SocketAddr,
    wires: Arc<Mutex<Vec<Wire>>>,
    task: JoinHandle<()>,
}

impl Tap {
    /// A free port of loopback that leads to `server`.
    pub fn in_front_of(server: SocketAddr) -> Self {
        Self::on(TcpListener::bind(("127.0.0.1", 0)).unwrap(), vec![server])
    }

    /// `listener` leads to `servers`, to one after the other.
    pub fn on(listener: TcpListener, servers: Vec<SocketAddr>) -> Self {
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let wires: Arc<Mutex<Vec<Wire>>> = Arc::default();
        let kept = Arc::clone(&wires);
        let task = tokio::spawn(async move {
            let mut next = servers.iter().cycle();
            while let (Ok((client, _)), Some(server)) = (listener.accept().await, next.next()) {
                tokio::spawn(pass(client, *server, Arc::clone(&kept)));
            }
        });
        Self {
            address,
            wires,
            task,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All that clients sent.
    pub fn requests(&self) -> String {
        self.text(|wire| &wire.to_server)
    }

    /// All that the server answered.
    pub fn answers(&self) -> String {
        self.text(|wire| &wire.to_client)
    }

    /// Forgets what it has heard.
    pub fn forget(&self) {
        for wire in self.wires.lock().iter_mut() {
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
        let wires = self.wires.lock();
        wires
            .iter()
            .map(|wire| String::from_utf8_lossy(direction(wire)).into_owned() + "\n")
            .collect()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(client: TcpStream, server: SocketAddr, wires: Arc<Mutex<Vec<Wire>>>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let number = {
        let mut all = wires.lock();
        all.push(Wire::default());
        all.len() - 1
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        copy(from_client, to_server, &wires, number, Direction::ToServer),
        copy(from_server, to_client, &wires, number, Direction::ToClient),
    );
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    wires: &Mutex<Vec<Wire>>,
    number: usize,
    way: Direction,
) {
    let mut chunk = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        {
            let mut all = wires.lock();
            let wire = &mut all[number];
            let kept = match way {
                Direction::ToServer => &mut wire.to_server,
                Direction::ToClient => &mut wire.to_client,
            };
            kept.extend_from_slice(&chunk[..length]);
        }
        if to.write_all(&chunk[..length]).await.is_err() {
            break;
        }
    }
    // The other side learns that this one has ended.
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers each connection with `word`, once it has said something.
    async fn server(word: &'static str) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 16]).await;
                let _ = stream.write_all(word.as_bytes()).await;
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
        let tap = Tap::on(TcpListener::bind("127.0.0.1:0").unwrap(), servers);
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
}
