//! A real redis-server for tests, on a port of its own. Dropping it ends it.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long a server gets to start: far more than it takes.
const START: Duration = Duration::from_secs(20);

/// A server on loopback that keeps nothing on disk.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts one on a free port; it answers when this returns.
    ///
    /// # Panics
    /// When there is no redis-server, or it does not start.
    pub fn start() -> Self {
        let mut server = Self {
            port: free_port(),
            child: None,
        };
        server.restart();
        server
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once, as a crash would.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only for a process that has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again, empty, on the same port.
    ///
    /// # Panics
    /// When there is no redis-server, or it does not start.
    pub fn restart(&mut self) {
        self.stop();
        let deadline = Instant::now() + START;
        while !self.answers() {
            assert!(
                Instant::now() < deadline,
                "redis-server does not start on {}",
                self.port
            );
            // One that has ended lost the port to somebody for a moment.
            if self
                .child
                .as_mut()
                .is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
            {
                self.child = Some(spawn(self.port));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Freezes it: connections stay open and nothing answers.
    ///
    /// # Panics
    /// When it is stopped.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it is stopped.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let Some(child) = &self.child else {
            panic!("redis-server is stopped")
        };
        let sent = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {signal}");
    }

    /// Whether it answers: it itself, not another server that took the port first.
    fn answers(&self) -> bool {
        let Some(child) = &self.child else {
            return false;
        };
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(b"INFO server\r\nQUIT\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let own = format!("process_id:{}\r\n", child.id());
        ask().is_ok_and(|answer| answer.contains(&own))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(port: u16) -> Child {
    let spawned = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no"])
        .arg("--dir")
        .arg(std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    spawned.unwrap_or_else(|why| {
        panic!("redis-server cannot be run ({why}): run scripts/test, which installs it")
    })
}

fn free_port() -> u16 {
    let bound = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    bound
        .unwrap_or_else(|why| panic!("no free port on loopback: {why}"))
        .port()
}
