//! Real Redis servers for tests, each on its own port. Dropping a value ends its
//! servers.

mod cluster;
mod sentinels;
mod server;
mod users;

use std::time::{Duration, Instant};

pub use self::{
    cluster::RedisCluster, sentinels::RedisSentinels, server::RedisServer, users::RedisUser,
};

/// How long servers may take to find each other: far longer than they do.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Waits until `reached`.
fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !reached() {
        assert!(Instant::now() < deadline, "Redis: never {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The value of `field` in a reply to INFO.
fn field(info: &str, field: &str) -> Option<String> {
    info.lines().find_map(|line| {
        let value = line.strip_prefix(field)?.strip_prefix(':')?;
        Some(value.trim().to_owned())
    })
}

/// `127.0.0.1` with each of `ports`.
fn hosts(ports: &[u16]) -> String {
    let hosts: Vec<String> = ports
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    hosts.join(",")
}

/// The port at which other servers reach `server`.
fn peer_port(server: &RedisServer) -> u16 {
    server.tls_port().unwrap_or(server.port())
}

fn is_master(server: &RedisServer) -> bool {
    let info = server.try_ask("INFO replication");
    info.is_ok_and(|info| info.contains("role:master"))
}

/// Whether a replica has acknowledged all writes of `master`.
fn is_replicated(master: &RedisServer) -> bool {
    let Ok(info) = master.try_ask("INFO replication") else {
        return false;
    };
    let (Some(offset), Some(replica)) =
        (field(&info, "master_repl_offset"), field(&info, "slave0"))
    else {
        return false;
    };
    replica.contains("state=online") && replica.contains(&format!("offset={offset},"))
}
