//! A master, a replica, and three sentinels that watch them.

use std::time::{Duration, Instant};

use super::{RedisServer, hosts, is_master, is_replicated, reached_by, until};

/// The master's name.
const MASTER: &str = "main";
/// After so long a failover is ordered again.
const AGAIN: Duration = Duration::from_secs(12);

/// Two servers of which one is the master, and three sentinels.
#[derive(Debug)]
pub struct RedisSentinels {
    // They end before the servers that they watch.
    sentinels: Vec<RedisServer>,
    servers: Vec<RedisServer>,
}

impl RedisSentinels {
    /// Starts them; when this returns they all know each other, and the replica
    /// has what the master has. A server that is silent for `down_after` is
    /// taken for dead: by mistake too, where the machine is too busy for it.
    ///
    /// # Panics
    /// When there is no redis-server, or they do not find each other.
    pub fn start(down_after: Duration) -> Self {
        Self::start_with(down_after, &[], None)
    }

    /// The same with TLS by these flags, and sentinels that ask for a password.
    ///
    /// # Panics
    /// When there is no redis-server, or they do not find each other.
    pub fn start_tls(down_after: Duration, flags: &[String], password: &str) -> Self {
        let replication = ["--tls-replication", "yes"].map(str::to_owned);
        let flags = [flags, &replication].concat();
        Self::start_with(down_after, &flags, Some(password))
    }

    fn start_with(down_after: Duration, tls: &[String], password: Option<&str>) -> Self {
        let down_after = down_after.as_millis();
        let hurry = [
            "--repl-diskless-sync-delay",
            "0",
            "--repl-ping-replica-period",
            "1",
        ];
        let master = RedisServer::start_in_folder(&hurry, tls);
        let port = reached_by(&master).to_string();
        let follow = ["--replicaof", "127.0.0.1", &port];
        let replica = RedisServer::start_in_folder(&[&hurry[..], &follow].concat(), tls);
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
            // They greet each other every two seconds, and look away for thirty
            // after a hiccup of two: here they hurry. Redis 7 alone knows it.
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

    /// Where they are, for a store.
    pub fn url(&self) -> String {
        format!(
            "redis+sentinel://{}/{MASTER}",
            hosts(&self.sentinel_ports())
        )
    }

    /// The same by their ports for TLS.
    pub fn tls_url(&self) -> String {
        let ports: Vec<u16> = self.sentinels.iter().map(reached_by).collect();
        format!("redis+sentinel://{}/{MASTER}", hosts(&ports))
    }

    /// The sentinels' ports.
    pub fn sentinel_ports(&self) -> Vec<u16> {
        self.sentinels.iter().map(RedisServer::port).collect()
    }

    /// The servers, whoever is the master.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// Whether a server is a master now.
    pub fn has_master(&self) -> bool {
        self.servers.iter().any(is_master)
    }

    /// The server that is a master now.
    ///
    /// # Panics
    /// When none becomes one.
    pub fn master(&self) -> &RedisServer {
        let mut master = None;
        until("a master", || {
            master = self.servers.iter().find(|server| is_master(server));
            master.is_some()
        });
        master.unwrap_or_else(|| panic!("no master"))
    }

    /// Waits until the replica has acknowledged all that the master has.
    pub fn until_replicated(&self) {
        until("replicated", || is_replicated(self.master()));
    }

    /// Has the sentinels put the replica in the master's place, and waits until
    /// they have.
    ///
    /// # Panics
    /// When they do not.
    pub fn order_failover(&self) {
        let old = self.master().port();
        let mut ordered: Option<Instant> = None;
        until("a failover", || {
            let info = self.sentinels[0].ask("INFO sentinel");
            let is_done = !info.contains(&format!("address=127.0.0.1:{old},"));
            // One can be given up half-way, where the machine is busy.
            if !is_done && ordered.is_none_or(|last| last.elapsed() > AGAIN) {
                self.sentinels[0].ask(&format!("SENTINEL FAILOVER {MASTER}"));
                ordered = Some(Instant::now());
            }
            is_done
        });
    }

    /// Ends the master at once, as a crash would. The sentinels are to find out.
    pub fn kill_master(&mut self) {
        let port = self.master().port();
        let master = self.servers.iter_mut().find(|server| server.port() == port);
        if let Some(master) = master {
            master.stop();
        }
    }
}
