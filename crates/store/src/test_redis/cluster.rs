//! A Redis Cluster: three masters, each with one replica.

use std::time::Duration;

use super::{
    RedisServer, field, hosts, is_master, is_replicated, peer_port, server::free_port, until,
};

const MASTERS: usize = 3;

/// Three masters and their replicas.
#[derive(Debug)]
pub struct RedisCluster {
    servers: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts the cluster and waits until it serves and its replicas are up to date. A
    /// node that does not answer for `node_timeout` counts as failed, also if the
    /// machine is too busy.
    ///
    /// # Panics
    /// If redis-server is missing, or no cluster forms.
    pub fn start(node_timeout: Duration) -> Self {
        Self::start_with(node_timeout, &[])
    }

    /// The same with TLS, configured by `flags`.
    ///
    /// # Panics
    /// If redis-server is missing, or no cluster forms.
    pub fn start_tls(node_timeout: Duration, flags: &[String]) -> Self {
        let between = ["--tls-replication", "yes", "--tls-cluster", "yes"].map(str::to_owned);
        Self::start_with(node_timeout, &[flags, &between].concat())
    }

    fn start_with(node_timeout: Duration, tls: &[String]) -> Self {
        let node_timeout = node_timeout.as_millis().to_string();
        let servers = (0..2 * MASTERS).map(|_| {
            let bus = free_port().to_string();
            let enabled = ["--cluster-enabled", "yes", "--cluster-port", &bus];
            let fast = [
                "--cluster-node-timeout",
                &node_timeout,
                "--repl-diskless-sync-delay",
                "0",
            ];
            let flags = [enabled, fast].concat();
            (RedisServer::start_in_folder(&flags, tls), bus)
        });
        let (servers, buses): (Vec<_>, Vec<_>) = servers.unzip();
        let all = Self { servers };
        let ids: Vec<String> = all.servers.iter().map(id).collect();
        for (number, master) in all.servers.iter().take(MASTERS).enumerate() {
            let first = 16384 * number / MASTERS;
            let last = 16384 * (number + 1) / MASTERS - 1;
            let slots: Vec<String> = (first..=last).map(|slot| slot.to_string()).collect();
            master.ask(&format!("CLUSTER ADDSLOTS {}", slots.join(" ")));
            master.ask(&format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1));
        }
        let (first, others) = (&all.servers[0], all.servers.iter().zip(&buses).skip(1));
        for (other, bus) in others {
            first.ask(&format!(
                "CLUSTER MEET 127.0.0.1 {} {bus}",
                peer_port(other)
            ));
        }
        until("all nodes know each other", || {
            all.servers.iter().all(|server| {
                let nodes = server.ask("CLUSTER NODES");
                nodes.matches(" connected").count() == 2 * MASTERS && !nodes.contains("handshake")
            })
        });
        for (replica, master) in all.servers.iter().skip(MASTERS).zip(&ids) {
            until("a replica", || {
                replica
                    .ask(&format!("CLUSTER REPLICATE {master}"))
                    .starts_with("+OK")
            });
        }
        until("a cluster that serves", || all.serves());
        all
    }

    /// The URL for a store, with two of the nodes.
    pub fn url(&self) -> String {
        let ports: Vec<u16> = self.servers[..2].iter().map(RedisServer::port).collect();
        format!("redis+cluster://{}", hosts(&ports))
    }

    /// The same with the ports for TLS.
    pub fn tls_url(&self) -> String {
        let ports: Vec<u16> = self.servers[..2].iter().map(peer_port).collect();
        format!("redis+cluster://{}", hosts(&ports))
    }

    /// The nodes.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// The index in [`RedisCluster::servers`] of the current master of `key`'s slot.
    ///
    /// # Panics
    /// If the cluster names none.
    pub fn master_of(&self, key: &str) -> usize {
        let mut master = None;
        until("a master of a slot", || {
            master = self.now_master_of(key);
            master.is_some()
        });
        master.unwrap_or_default()
    }

    /// Whether a master has the slot of `key`.
    ///
    /// # Panics
    /// If no node runs.
    pub fn has_master_of(&self, key: &str) -> bool {
        self.now_master_of(key).is_some()
    }

    fn now_master_of(&self, key: &str) -> Option<usize> {
        let slot = self.slot_of(key);
        self.servers.iter().position(|server| {
            let nodes = server.try_ask("CLUSTER NODES").unwrap_or_default();
            let mut lines = nodes.lines();
            lines.any(|line| line.contains("myself,master") && has(line, slot))
        })
    }

    /// Begins to move the slot of `key` from one master to another.
    ///
    /// # Panics
    /// If a master refuses.
    pub fn begin_move(&self, key: &str, from: usize, to: usize) {
        let (slot, from, to) = (self.slot_of(key), &self.servers[from], &self.servers[to]);
        order(
            to,
            &format!("CLUSTER SETSLOT {slot} IMPORTING {}", id(from)),
        );
        order(
            from,
            &format!("CLUSTER SETSLOT {slot} MIGRATING {}", id(to)),
        );
    }

    /// Completes the move: the keys of the slot and the slot itself.
    ///
    /// # Panics
    /// If a key cannot be moved.
    pub fn end_move(&self, key: &str, from: usize, to: usize) {
        let (slot, from, to) = (self.slot_of(key), &self.servers[from], &self.servers[to]);
        let keys = from.ask(&format!("CLUSTER GETKEYSINSLOT {slot} 100"));
        for key in keys.lines().filter(|line| line.starts_with("sso-lab:")) {
            order(
                from,
                &format!("MIGRATE 127.0.0.1 {} {key} 0 5000", to.port()),
            );
        }
        let owner = format!("CLUSTER SETSLOT {slot} NODE {}", id(to));
        // The new owner learns of it first, so that the slot always has an owner.
        for server in [to, from] {
            order(server, &owner);
        }
    }

    fn slot_of(&self, key: &str) -> usize {
        let running = self.servers.iter().find(|server| server.is_running());
        let slot = running.map(|server| server.ask(&format!("CLUSTER KEYSLOT {key}")));
        slot.and_then(|slot| slot.lines().next()?.strip_prefix(':')?.parse().ok())
            .unwrap_or_else(|| panic!("no slot of {key}"))
    }

    /// Waits until each replica has acknowledged all writes of its master.
    pub fn until_replicated(&self) {
        until("replicated", || {
            let masters = self.servers.iter().filter(|server| is_master(server));
            masters.map(is_replicated).filter(|is| *is).count() >= MASTERS
        });
    }

    /// Kills a node.
    pub fn kill(&mut self, node: usize) {
        self.servers[node].stop();
    }

    /// Starts a killed node again.
    pub fn restart(&mut self, node: usize) {
        self.servers[node].restart();
    }

    /// Whether all nodes serve, and agree on the epoch and on who is a master.
    fn serves(&self) -> bool {
        let epoch = |info: &str| field(info, "cluster_current_epoch");
        let agreed = epoch(&self.servers[0].ask("CLUSTER INFO"));
        self.servers.iter().all(|server| {
            let info = server.ask("CLUSTER INFO");
            let replication = server.ask("INFO replication");
            let linked = match field(&replication, "role").as_deref() {
                Some("master") => is_replicated(server),
                _ => replication.contains("master_link_status:up"),
            };
            let nodes = server.ask("CLUSTER NODES");
            linked
                && info.contains("cluster_state:ok")
                && epoch(&info) == agreed
                && nodes.matches("master").count() == MASTERS
        })
    }
}

/// Sends a command that must be answered OK.
fn order(server: &RedisServer, command: &str) {
    let answer = server.ask(command);
    assert!(answer.starts_with("+OK"), "{command}: {answer}");
}

/// A node's id.
fn id(server: &RedisServer) -> String {
    let answer = server.ask("CLUSTER MYID");
    let id = answer.lines().nth(1);
    id.unwrap_or_else(|| panic!("no id: {answer}"))
        .trim()
        .to_owned()
}

/// Whether the node of this line of CLUSTER NODES has `slot`.
fn has(line: &str, slot: usize) -> bool {
    line.split_whitespace().skip(8).any(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        match (first.parse::<usize>(), last.parse::<usize>()) {
            (Ok(first), Ok(last)) => (first..=last).contains(&slot),
            _ => false,
        }
    })
}
