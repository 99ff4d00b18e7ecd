//! A real redis-server for tests, on a port of its own. Dropping it ends it.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long a server gets to start: far more than it takes.
const START: Duration = Duration::from_secs(20);

/// A server on loopback, which keeps nothing on disk unless it is durable.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    child: Option<Child>,
    /// A folder of its own, where it is durable.
    data: Option<PathBuf>,
}

impl RedisServer {
    /// Starts one on a free port; it answers when this returns.
    ///
    /// # Panics
    /// When there is no redis-server, or it does not start.
    pub fn start() -> Self {
        Self::start_on(free_port(), None)
    }

    /// Starts one that keeps its data: each change is on disk before it is
    /// answered, and there again after [`RedisServer::stop`] and
    /// [`RedisServer::restart`].
    ///
    /// # Panics
    /// When there is no redis-server, or it does not start.
    pub fn start_durable() -> Self {
        let port = free_port();
        let name = format!("sso-lab-redis-{}-{port}", std::process::id());
        let data = std::env::temp_dir().join(name);
        fs::create_dir(&data)
            .unwrap_or_else(|why| panic!("{} cannot be made: {why}", data.display()));
        Self::start_on(port, Some(data))
    }

    fn start_on(port: u16, data: Option<PathBuf>) -> Self {
        let mut server = Self {
            port,
            child: None,
            data,
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

    /// How often each command was called since the start, by its name in small
    /// letters (`get`, `evalsha`, `client|tracking`); what scripts call counts too.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn commandstats(&self) -> BTreeMap<String, u64> {
        let answer = self.info("commandstats");
        let answer = answer.unwrap_or_else(|why| panic!("redis-server does not answer: {why}"));
        let calls = answer.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let (calls, _) = rest.split_once(',')?;
            Some((name.to_owned(), calls.parse().ok()?))
        });
        calls.collect()
    }

    /// Starts it again on the same port: empty, unless it is durable.
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
                self.child = Some(self.spawn());
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
        let own = format!("process_id:{}\r\n", child.id());
        let (server, data) = (self.info("server"), self.info("persistence"));
        server.is_ok_and(|answer| answer.contains(&own))
            && data.is_ok_and(|answer| answer.contains("\nloading:0\r\n"))
    }

    fn info(&self, section: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(stream, "INFO {section}\r\nQUIT\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn spawn(&self) -> Child {
        let mut server = Command::new("redis-server");
        server
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", ""]);
        match &self.data {
            Some(data) => server
                .args(["--appendonly", "yes", "--appendfsync", "always", "--dir"])
                .arg(data),
            None => server
                .args(["--appendonly", "no", "--dir"])
                .arg(std::env::temp_dir()),
        };
        let spawned = server
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        spawned.unwrap_or_else(|why| {
            panic!("redis-server cannot be run ({why}): run scripts/test, which installs it")
        })
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
        if let Some(data) = &self.data {
            // Fails only where somebody else has removed it.
            let _ = fs::remove_dir_all(data);
        }
    }
}

fn free_port() -> u16 {
    let bound = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    bound
        .unwrap_or_else(|why| panic!("no free port on loopback: {why}"))
        .port()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(server: &RedisServer, commands: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        write!(stream, "{commands}\r\nQUIT\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_durable_one_keeps_its_data_and_cleans_up() {
        let mut server = RedisServer::start_durable();
        let data = server.data.clone().unwrap();
        ask(&server, "SET k kept");
        server.restart();
        assert!(ask(&server, "GET k").contains("kept"));
        drop(server);
        assert!(!data.exists());
    }

    #[test]
    fn calls_are_counted_by_command() {
        let server = RedisServer::start();
        ask(&server, "SET k 1\r\nGET k\r\nget k\r\nCLIENT ID");
        let calls = server.commandstats();
        let of = |name| calls.get(name).copied();
        assert_eq!(
            (of("set"), of("get"), of("client|id")),
            (Some(1), Some(2), Some(1))
        );
    }
}
