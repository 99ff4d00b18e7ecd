//! Commands that a test sends to a redis-server, and their replies.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use super::{
    super::{RedisUser, field},
    RedisServer,
};

/// How long a reply may take on a busy machine.
const REPLY: Duration = Duration::from_secs(10);

impl RedisServer {
    /// The memory that it uses, in bytes.
    ///
    /// # Panics
    /// If it does not reply.
    pub fn used_memory(&self) -> u64 {
        let used = field(&self.ask("INFO memory"), "used_memory");
        let used = used.and_then(|bytes| bytes.parse().ok());
        used.unwrap_or_else(|| panic!("INFO memory says nothing"))
    }

    /// How often each command was called since the start, by its name in lower case
    /// (`get`, `evalsha`, `client|tracking`), calls by scripts included.
    ///
    /// # Panics
    /// If it does not reply.
    pub fn commandstats(&self) -> BTreeMap<String, u64> {
        let answer = self.ask("INFO commandstats");
        let calls = answer.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let (calls, _) = rest.split_once(',')?;
            Some((name.to_owned(), calls.parse().ok()?))
        });
        calls.collect()
    }

    /// The reply to `command`, in the protocol's form.
    ///
    /// # Panics
    /// If it does not reply.
    pub fn ask(&self, command: &str) -> String {
        let answer = self.try_ask(command);
        answer.unwrap_or_else(|why| panic!("redis-server does not answer: {why}"))
    }

    /// The same, or an error if the server does not reply.
    ///
    /// # Errors
    /// If it cannot be reached or does not reply in time.
    pub fn try_ask(&self, command: &str) -> io::Result<String> {
        self.try_ask_by(self.login.as_deref(), command)
    }

    /// The reply to `command` of `user`. `None`: of an unauthenticated client.
    ///
    /// # Panics
    /// If it does not reply.
    pub fn ask_as(&self, user: Option<&RedisUser>, command: &str) -> String {
        let login = user.map(|user| format!("{} {}", user.name(), user.password()));
        let answer = self.try_ask_by(login.as_deref(), command);
        answer.unwrap_or_else(|why| panic!("redis-server does not answer: {why}"))
    }

    fn try_ask_by(&self, login: Option<&str>, command: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(REPLY))?;
        if let Some(login) = login {
            write!(stream, "AUTH {login}\r\n")?;
        }
        // A sentinel does not know QUIT, so the reply to PING marks the end.
        write!(stream, "{command}\r\nPING\r\n")?;
        let (mut answer, mut part) = (Vec::new(), [0; 4096]);
        while !is_whole(&answer) {
            match stream.read(&mut part)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => answer.extend_from_slice(&part[..read]),
            }
        }
        let answer = String::from_utf8_lossy(&answer);
        let answer = answer.trim_end_matches("+PONG\r\n");
        Ok(match login {
            Some(_) => answer.trim_start_matches("+OK\r\n").to_owned(),
            None => answer.to_owned(),
        })
    }
}

/// Whether the reply to the PING has arrived.
fn is_whole(answer: &[u8]) -> bool {
    ["+PONG\r\n", "-LOADING", "-MASTERDOWN", "-NOAUTH"]
        .iter()
        .any(|end| {
            let at = answer.len().saturating_sub(end.len());
            match end.strip_suffix("\r\n") {
                Some(_) => &answer[at..] == end.as_bytes(),
                None => answer.starts_with(end.as_bytes()) && answer.ends_with(b"\r\n"),
            }
        })
}
