//! What a redis-server answers to a test.

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

/// How long an answer may take, on a busy machine.
const ANSWER: Duration = Duration::from_secs(10);

impl RedisServer {
    /// How many bytes its data take.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn used_memory(&self) -> u64 {
        let used = field(&self.ask("INFO memory"), "used_memory");
        let used = used.and_then(|bytes| bytes.parse().ok());
        used.unwrap_or_else(|| panic!("INFO memory says nothing"))
    }

    /// How often each command was called since the start, by its name in small
    /// letters (`get`, `evalsha`, `client|tracking`); what scripts call counts too.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn commandstats(&self) -> BTreeMap<String, u64> {
        let answer = self.ask("INFO commandstats");
        let calls = answer.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let (calls, _) = rest.split_once(',')?;
            Some((name.to_owned(), calls.parse().ok()?))
        });
        calls.collect()
    }

    /// What it answers to `command`, as the protocol has it.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn ask(&self, command: &str) -> String {
        let answer = self.try_ask(command);
        answer.unwrap_or_else(|why| panic!("redis-server does not answer: {why}"))
    }

    /// The same; an error where it does not answer.
    ///
    /// # Errors
    /// Where it cannot be reached, or says nothing for long.
    pub fn try_ask(&self, command: &str) -> io::Result<String> {
        self.try_ask_by(self.login.as_deref(), command)
    }

    /// What it answers to `command` of `user`; of a stranger, where that is `None`.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn ask_as(&self, user: Option<&RedisUser>, command: &str) -> String {
        let login = user.map(|user| format!("{} {}", user.name(), user.password()));
        let answer = self.try_ask_by(login.as_deref(), command);
        answer.unwrap_or_else(|why| panic!("redis-server does not answer: {why}"))
    }

    fn try_ask_by(&self, login: Option<&str>, command: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(ANSWER))?;
        if let Some(login) = login {
            write!(stream, "AUTH {login}\r\n")?;
        }
        // A sentinel does not know QUIT: what it answers to PING is the end.
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

/// Whether the answer to a PING is there.
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
