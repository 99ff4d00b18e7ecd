//! A master, a replica and three sentinels.

use std::time::{Duration, Instant};

use super::{RedisServer, hosts, is_master, is_replicated, peer_port, until};

/// The master's name.
const MASTER: &str = "main";
/// How long to wait before a failover is ordered again.
const RETRY: Duration = Duration::from_secs(12);

/// Two servers, one of them the master, and three sentinels.
#[derive(Debug)]
pub struct RedisSentinels {
    // Dropped first: they end before the servers that they watch.
    sentinels: Vec<RedisServer>,
    servers: Vec<RedisServer>,
}

impl RedisSentinels {
    /// Starts the servers and waits until all sentinels know each other and the
    /// replica is up to date. A server that does not answer for `down_after` counts as
    /// failed, also if the machine is too busy.
    ///
    /// # Panics
    /// If redis-server is missing, or the servers do not find each other.
    pub fn start(down_after: Duration) -> Self {
        Self::start_with(down_after, &[], None)
    }

    /// The same with TLS, configured by `flags`, and a password for the sentinels.
    ///
    /// # Panics
    /// If redis-server is missing, or the servers do not find each other.
    pub fn start_tls(down_after: Duration, flags: &[String], password: &str) -> Self {
        let replication = ["--tls-replication", "yes"].map(str::to_owned);
        let flags = [flags, &replication].concat();
        Self::start_with(down_after, &flags, Some(password))
    }

    fn start_with(down_after: Duration, tls: &[String], password: Option<&str>) -> Self {
        let down_after = down_after.as_millis();
        let fast = [
            "--repl-diskless-sync-delay",
            "0",
            "--repl-ping-replica-period",
            "1",
        ];
        let master = RedisServer::start_in_folder(&fast, tls);
        let port = peer_port(&master).to_string();
        let follow = ["--replicaof", "127.0.0.1", &port];
        let replica = RedisServer::start_in_folder(&[&fast[..], &follow].concat(), tls);
        let watching = format!(
            "sentinel monitor {MASTER} 127.0.0.1 {port} 2\n\
             sentinel down-after-milliseconds {MASTER} {down_after}\n\
             sentinel failover-timeout {MASTER} 5000\n"
        );
        let sentinel = || RedisServer::start_sentinel(&watching, tls, password);
        let all = Self {
            sentinels: vec![sentinel(), sentinel(), sentinel()],
            servers: vec![master, replica],
        };
        for sentinel in &all.sentinels {
            // Shorter periods than the default seconds, and no TILT mode on a busy
            // machine. Only Redis 7 and newer know this command.
            sentinel.ask(
                "SENTINEL DEBUG INFO-PERIOD 200 PUBLISH-PERIOD 200 ASK-PERIOD 200 TILT-TRIGGER 20000",
            );
        }
        until("the sentinels know each other and the replica", || {
            all.sentinels.iter().all(|sentinel| {
                let info = sentinel.ask("INFO sentinel");
                info.contains("status=ok,") && info.contains("slaves=1,sentinels=3")
            })
        });
        all.until_replicated();
        all
    }

    /// The URL for a store.
    pub fn url(&self) -> String {
        format!(
            "redis+sentinel://{}/{MASTER}",
            hosts(&self.sentinel_ports())
        )
    }

    /// The same with the ports for TLS.
    pub fn tls_url(&self) -> String {
        let ports: Vec<u16> = self.sentinels.iter().map(peer_port).collect();
        format!("redis+sentinel://{}/{MASTER}", hosts(&ports))
    }

    /// The sentinels' ports.
    pub fn sentinel_ports(&self) -> Vec<u16> {
        self.sentinels.iter().map(RedisServer::port).collect()
    }

    /// The master and the replica.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// Whether there is a master.
    pub fn has_master(&self) -> bool {
        self.servers.iter().any(is_master)
    }

    /// The current master.
    ///
    /// # Panics
    /// If there is none for long.
    pub fn master(&self) -> &RedisServer {
        let mut master = None;
        until("a master", || {
            master = self.servers.iter().find(|server| is_master(server));
            master.is_some()
        });
        master.unwrap_or_else(|| panic!("no master"))
    }

    /// Waits until the replica has acknowledged all writes of the master.
    pub fn until_replicated(&self) {
        until("replicated", || is_replicated(self.master()));
    }

    /// Makes the sentinels promote the replica, and waits until they have.
    ///
    /// # Panics
    /// If they do not.
    pub fn order_failover(&self) {
        let old = self.master().port();
        let mut ordered: Option<Instant> = None;
        until("a failover", || {
            let info = self.sentinels[0].ask("INFO sentinel");
            let is_done = !info.contains(&format!("address=127.0.0.1:{old},"));
            // On a busy machine the sentinels can abandon a failover.
            if !is_done && ordered.is_none_or(|last| last.elapsed() > RETRY) {
                self.sentinels[0].ask(&format!("SENTINEL FAILOVER {MASTER}"));
                ordered = Some(Instant::now());
            }
            is_done
        });
    }

    /// Kills the master. The sentinels have to notice.
    pub fn kill_master(&mut self) {
        let port = self.master().port();
        let master = self.servers.iter_mut().find(|server| server.port() == port);
        if let Some(master) = master {
            master.stop();
        }
    }
}
