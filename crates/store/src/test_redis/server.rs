//! One redis-server process.

mod questions;

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::{RedisUser, users};

/// How long a server may take to start: far longer than it does.
const START: Duration = Duration::from_secs(60);

/// The administrator of a server with ACL users.
const ADMIN: &str = "admin";
const ADMIN_PASSWORD: &str = "password-of-admin";

/// A server on loopback. Only a durable server writes its data to disk.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    tls_port: Option<u16>,
    flags: Vec<String>,
    /// The arguments of AUTH for the test itself, if the server requires it.
    login: Option<String>,
    child: Option<Child>,
    /// Its own folder, if it needs one.
    data: Option<PathBuf>,
}

impl RedisServer {
    /// Starts a server on a free port and waits until it answers.
    ///
    /// # Panics
    /// If redis-server is missing or does not start.
    pub fn start() -> Self {
        Self::start_with(&["--appendonly", "no"], &[], None)
    }

    /// Starts a server with `maxmemory` and the policy `noeviction`.
    ///
    /// # Panics
    /// If redis-server is missing or does not start.
    pub fn start_small(megabytes: u32) -> Self {
        let most = format!("{megabytes}mb");
        let policy = ["--maxmemory-policy", "noeviction", "--maxmemory", &most];
        Self::start_with(&[&["--appendonly", "no"], &policy[..]].concat(), &[], None)
    }

    /// Starts a server that also has a port for TLS, configured by `flags`.
    ///
    /// # Panics
    /// If redis-server is missing or does not start.
    pub fn start_tls(flags: &[String]) -> Self {
        Self::start_with(&["--appendonly", "no"], flags, None)
    }

    /// Starts a server that writes each change to disk before it replies, and has the
    /// data again after [`RedisServer::stop`] and [`RedisServer::restart`].
    ///
    /// # Panics
    /// If redis-server is missing or does not start.
    pub fn start_durable() -> Self {
        let flags = ["--appendonly", "yes", "--appendfsync", "always"];
        Self::start_with(&flags, &[], Some(folder()))
    }

    /// Starts a server with the users of `docs/redis.md`, which refuses
    /// unauthenticated clients. This value's own commands are an administrator's.
    ///
    /// # Panics
    /// If redis-server is missing or does not start.
    pub fn start_guarded() -> Self {
        Self::guarded(&["--appendonly", "no"])
    }

    /// The same, durable as [`RedisServer::start_durable`].
    ///
    /// # Panics
    /// If redis-server is missing or does not start.
    pub fn start_guarded_durable() -> Self {
        Self::guarded(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    fn guarded(flags: &[&str]) -> Self {
        let data = folder();
        let users = RedisUser::all();
        let mut lines = vec![users::default_user().to_owned()];
        lines.extend(users.iter().map(|user| format!("user {}", user.rule())));
        lines.push(format!("user {ADMIN} on >{ADMIN_PASSWORD} ~* &* +@all"));
        let file = data.join("users.conf");
        fs::write(&file, lines.join("\n") + "\n")
            .unwrap_or_else(|why| panic!("{} cannot be written: {why}", file.display()));
        let file = file.display().to_string();
        let flags = [&["--include", &file], flags].concat();
        let login = Some(format!("{ADMIN} {ADMIN_PASSWORD}"));
        Self::start_as(&flags, &[], Some(data), login)
    }

    /// Starts a server with its own working directory.
    pub(super) fn start_in_folder(flags: &[&str], tls: &[String]) -> Self {
        Self::start_with(flags, tls, Some(folder()))
    }

    /// Starts a sentinel with `configuration`, a file that the sentinel rewrites.
    pub(super) fn start_sentinel(
        configuration: &str,
        tls: &[String],
        password: Option<&str>,
    ) -> Self {
        let (port, data) = (free_port(), folder());
        let tls_port = (!tls.is_empty()).then(free_port);
        let mut lines = vec![format!("port {port}"), "bind 127.0.0.1".to_owned()];
        lines.extend(tls_port.map(|port| format!("tls-port {port}")));
        let tls = tls.chunks(2);
        lines.extend(tls.map(|flag| flag.join(" ").trim_start_matches("--").to_owned()));
        lines.extend(password.map(|password| format!("requirepass {password}")));
        lines.push(configuration.to_owned());
        let file = data.join("sentinel.conf");
        fs::write(&file, lines.join("\n"))
            .unwrap_or_else(|why| panic!("{} cannot be written: {why}", file.display()));
        let mut server = Self {
            port,
            tls_port,
            flags: vec![file.display().to_string(), "--sentinel".to_owned()],
            login: password.map(str::to_owned),
            child: None,
            data: Some(data),
        };
        server.restart();
        server
    }

    fn start_with(flags: &[&str], tls: &[String], data: Option<PathBuf>) -> Self {
        Self::start_as(flags, tls, data, None)
    }

    fn start_as(
        flags: &[&str],
        tls: &[String],
        data: Option<PathBuf>,
        login: Option<String>,
    ) -> Self {
        let port = free_port();
        let tls_port = (!tls.is_empty()).then(free_port);
        let mut all: Vec<String> = vec!["--port".to_owned(), port.to_string()];
        if let Some(tls_port) = tls_port {
            all.extend(["--tls-port".to_owned(), tls_port.to_string()]);
        }
        let common = ["--bind", "127.0.0.1", "--save", ""];
        all.extend(common.iter().chain(flags).map(|flag| (*flag).to_owned()));
        all.extend_from_slice(tls);
        let mut server = Self {
            port,
            tls_port,
            flags: all,
            login,
            child: None,
            data,
        };
        server.restart();
        server
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its URL for `user`.
    pub fn url_for(&self, user: &RedisUser) -> String {
        format!("redis://{}127.0.0.1:{}", user.login(), self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its port for TLS.
    pub fn tls_port(&self) -> Option<u16> {
        self.tls_port
    }

    /// Kills it.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only if the process has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again on the same port. Only a durable server has its data again.
    ///
    /// # Panics
    /// If redis-server is missing or does not start.
    pub fn restart(&mut self) {
        self.stop();
        let deadline = Instant::now() + START;
        while !self.answers() {
            assert!(
                Instant::now() < deadline,
                "redis-server does not start on {}",
                self.port
            );
            // If the process has ended, another one had the port for a moment.
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

    /// Stops the process by SIGSTOP: its connections stay open, and it does not
    /// answer.
    ///
    /// # Panics
    /// If it does not run.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Continues a paused process.
    ///
    /// # Panics
    /// If it does not run.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// Whether it runs.
    pub(super) fn is_running(&self) -> bool {
        self.child.is_some()
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

    /// Whether it answers itself, and not another server that took the port first.
    fn answers(&self) -> bool {
        let Some(child) = &self.child else {
            return false;
        };
        let own = format!("process_id:{}\r\n", child.id());
        let is_own = |reply: String| reply.contains(&own);
        let is_loaded = |reply: String| !reply.contains("\nloading:1\r\n");
        self.try_ask("INFO server").is_ok_and(is_own)
            && self.try_ask("INFO persistence").is_ok_and(is_loaded)
    }

    fn spawn(&self) -> Child {
        let temporary = std::env::temp_dir();
        let spawned = Command::new("redis-server")
            .args(&self.flags)
            .current_dir(self.data.as_ref().unwrap_or(&temporary))
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
            // Fails only if the folder is gone already.
            let _ = fs::remove_dir_all(data);
        }
    }
}

/// A new folder.
fn folder() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Relaxed);
    let name = format!("sso-lab-redis-{}-{number}", std::process::id());
    let data = std::env::temp_dir().join(name);
    fs::create_dir(&data).unwrap_or_else(|why| panic!("{} cannot be made: {why}", data.display()));
    data
}

pub(super) fn free_port() -> u16 {
    let bound = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    bound
        .unwrap_or_else(|why| panic!("no free port on loopback: {why}"))
        .port()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_durable_server_keeps_its_data_and_removes_its_folder() {
        let mut server = RedisServer::start_durable();
        let data = server.data.clone().unwrap();
        server.ask("SET k kept");
        server.restart();
        assert!(server.ask("GET k").contains("kept"));
        drop(server);
        assert!(!data.exists());
    }

    #[test]
    fn a_guarded_server_refuses_unauthenticated_clients() {
        let server = RedisServer::start_guarded();
        let said = server.ask_as(None, "GET sso-lab:api-2:stock");
        assert!(said.starts_with("-NOAUTH"), "{said}");
        let user = RedisUser::named("sso-lab-api-2");
        let said = server.ask_as(Some(&user), "GET sso-lab:api-2:stock");
        assert_eq!(said, "$-1\r\n");
        let said = server.ask_as(Some(&user), "GET sso-lab:idp:users");
        assert!(said.starts_with("-NOPERM"), "{said}");
        assert!(server.ask("ACL LIST").contains("user admin on"));
    }

    #[test]
    fn calls_are_counted_by_command() {
        let server = RedisServer::start();
        server.ask("SET k 1\r\nGET k\r\nget k\r\nCLIENT ID");
        let calls = server.commandstats();
        let of = |name| calls.get(name).copied();
        assert_eq!(
            (of("set"), of("get"), of("client|id")),
            (Some(1), Some(2), Some(1))
        );
    }
}
