//! A Redis Cluster: `redis::cluster_async` finds the node of a key, keeps the
//! connections and learns the slots anew.
//!
//! The library would also send a change again after a lost reply, which
//! [`crate::Store`] promises not to do. So its own repeats are off (`retries(0)`),
//! and [`Routed`] repeats a command only after a redirection: a node that redirects
//! has done nothing. `ClusterConnectionNotFound` is no reason to repeat: the library
//! reports it for commands that were sent already, too.
//!
//! A node that hangs delays the keys of its slots alone. So a command without a reply
//! does not replace the connection, which serves the other nodes: a new connection
//! would wait for the node. [`Cluster::review`] finds out when a replica has taken over.
//!
//! While a watch is current, every connection must lead to a master that the watch
//! tracks, or the local cache could keep what an old master still answers. The
//! library learns slots from whichever node answers first, and does not compare
//! epochs. So the masters of the watch are the only hosts that it can resolve then
//! ([`Cluster::restrict`]).

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use parking_lot::Mutex;
use redis::{
    Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind, Value,
    aio::ConnectionLike,
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
    cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr},
    io::AsyncDNSResolver,
};

use super::{
    address::Node,
    connections::{Pooled, Target},
    connector::{Addresses, Connector, Resolver},
    error,
    topology::{self, Topology},
};
use crate::StoreError;

/// How often one command is redirected.
const MAX_REDIRECTIONS: usize = 5;
/// A connection to the cluster is one to each node: each may take so much of the
/// time that a command waits for it. A silent node then leaves time for the others.
const CONNECT_SHARE: u32 = 4;
/// The shortest time between two reviews.
const BETWEEN_REVIEWS: Duration = Duration::from_millis(500);

pub(super) struct Cluster {
    connector: Connector,
    /// The nodes of the URL.
    seeds: Vec<Node>,
    tracked: Mutex<Tracked>,
    resolver: TrackedResolver,
    /// Changes with the tracked masters and after a failover: the connections of an
    /// earlier generation are not used again.
    generation: AtomicUsize,
    /// Held by a review.
    review: Arc<tokio::sync::Mutex<()>>,
}

/// The masters that the watches track.
#[derive(Default)]
struct Tracked {
    masters: Vec<Node>,
    /// How many watches are current.
    watches: usize,
    /// The client for these masters.
    client: Option<ClusterClient>,
}

impl Cluster {
    pub(super) fn new(connector: Connector, seeds: Vec<Node>) -> Self {
        Self {
            connector,
            seeds,
            tracked: Mutex::default(),
            resolver: TrackedResolver::default(),
            generation: AtomicUsize::default(),
            review: Arc::default(),
        }
    }

    /// What the nodes say about the cluster now.
    pub(super) async fn topology(&self) -> Result<Topology, StoreError> {
        let nodes = self.known_nodes(&self.tracked.lock());
        let asking = topology::learn(&self.connector, &nodes);
        let learnt = tokio::time::timeout(self.connector.connect_timeout(), asking).await;
        let late = || StoreError::Unreachable("no node of the cluster answers in time".to_owned());
        learnt.map_err(|_| late())?
    }

    /// Until the last guard is dropped, connections lead to `masters` alone, or to
    /// those of a later call.
    pub(super) fn restrict(self: &Arc<Self>, masters: &[Node]) -> Restriction {
        let mut tracked = self.tracked.lock();
        if tracked.watches == 0 || tracked.masters != masters {
            tracked.masters = masters.to_vec();
            tracked.client = None;
            *self.resolver.only.lock() = Some(masters.to_vec());
            self.generation.fetch_add(1, SeqCst);
        }
        tracked.watches += 1;
        Restriction(Arc::clone(self))
    }

    /// Replaces all connections if a replica has taken over from a node that did not
    /// reply: the cluster has another master than when it was `known`. The epoch tells
    /// too little, because a node can hear of it early (it votes) or late.
    fn review(self: &Arc<Self>, known: &Arc<Topology>) {
        let Ok(turn) = Arc::clone(&self.review).try_lock_owned() else {
            return;
        };
        let (cluster, known) = (Arc::clone(self), Arc::clone(known));
        tokio::spawn(async move {
            let topology = cluster.topology().await;
            if topology.is_ok_and(|now| now.has_failed_over_since(&known)) {
                cluster.generation.fetch_add(1, SeqCst);
            }
            tokio::time::sleep(BETWEEN_REVIEWS).await;
            drop(turn);
        });
    }

    /// The masters that a watch knew last come first: the URL may be old.
    fn known_nodes(&self, tracked: &Tracked) -> Vec<Node> {
        let known = &tracked.masters;
        let others = self.seeds.iter().filter(|seed| !known.contains(seed));
        known.iter().chain(others).cloned().collect()
    }

    fn client(&self) -> RedisResult<ClusterClient> {
        let mut tracked = self.tracked.lock();
        if let Some(client) = &tracked.client {
            return Ok(client.clone());
        }
        let nodes = self.known_nodes(&tracked);
        let infos = nodes.iter().map(|node| self.connector.info(node));
        let mut builder = ClusterClientBuilder::new(infos)
            .retries(0)
            .connection_timeout(self.connector.connect_timeout() / CONNECT_SHARE)
            .response_timeout(self.connector.response_timeout())
            .tcp_settings(self.connector.tcp_settings())
            .async_dns_resolver(self.resolver.clone());
        if let Some(certificates) = self.connector.certificates() {
            builder = builder.certs(certificates.clone());
        }
        let client = builder.build()?;
        tracked.client = Some(client.clone());
        Ok(client)
    }
}

/// While it lives, connections lead to the tracked masters alone.
pub(super) struct Restriction(Arc<Cluster>);

impl Drop for Restriction {
    fn drop(&mut self) {
        let mut tracked = self.0.tracked.lock();
        tracked.watches -= 1;
        if tracked.watches == 0 {
            tracked.client = None;
            *self.0.resolver.only.lock() = None;
        }
    }
}

/// Resolves the names of tracked masters; without a watch, all names.
#[derive(Clone, Default)]
struct TrackedResolver {
    only: Arc<Mutex<Option<Vec<Node>>>>,
}

impl AsyncDNSResolver for TrackedResolver {
    fn resolve<'a, 'b: 'a>(&'a self, host: &'b str, port: u16) -> RedisFuture<'a, Addresses<'a>> {
        let is_tracked = |node: &Node| node.host == host && node.port == port;
        let only = self.only.lock();
        if only
            .as_ref()
            .is_some_and(|only| !only.iter().any(is_tracked))
        {
            let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "not a tracked master");
            return Box::pin(async move { Err(refused.into()) });
        }
        let resolver: &'static Resolver = &Resolver;
        resolver.resolve(host, port)
    }
}

impl Target for Cluster {
    type Pooled = Nodes;

    async fn connect(self: &Arc<Self>) -> Result<Nodes, StoreError> {
        let generation = self.generation.load(SeqCst);
        // Before the slots are learned, so that no later failover is missed.
        let known = Arc::new(self.topology().await?);
        let client = self.client().map_err(|error| error::explain(&error))?;
        let connection = client.get_async_connection().await;
        Ok(Nodes {
            connection: connection.map_err(|error| topology::explain(&error))?,
            cluster: Arc::clone(self),
            generation,
            known,
        })
    }
}

/// Connections to all nodes, which a slot holds.
pub(super) struct Nodes {
    connection: ClusterConnection,
    cluster: Arc<Cluster>,
    generation: usize,
    /// The cluster when it was made.
    known: Arc<Topology>,
}

impl Pooled for Nodes {
    type Connection = ClusterConnection;

    fn connection(&self) -> Option<ClusterConnection> {
        let is_current = self.cluster.generation.load(SeqCst) == self.generation;
        is_current.then(|| self.connection.clone())
    }

    fn is_lost(&self, error: &RedisError) -> bool {
        if error.is_timeout() {
            self.cluster.review(&self.known);
            return false;
        }
        error::is_connection_suspect(error)
    }
}

/// The connection to the node that has one key, for one operation. A script that
/// has to be loaded first is loaded there too.
pub(super) struct Routed {
    connection: ClusterConnection,
    route: SingleNodeRoutingInfo,
    /// Whether ASKING must precede the command: ASK named the node.
    asking: bool,
    redirections: usize,
}

impl Routed {
    /// To the master of the slot of `key`.
    pub(super) fn new(connection: ClusterConnection, key: &str) -> Self {
        let route = Route::with_key(key, SlotAddr::Master);
        Self {
            connection,
            route: SingleNodeRoutingInfo::SpecificNode(route),
            asking: false,
            redirections: 0,
        }
    }

    async fn send(&mut self, cmd: &Cmd) -> RedisResult<Value> {
        loop {
            let error = match self.send_once(cmd).await {
                Err(error) => error,
                value => return value,
            };
            self.redirections += 1;
            if self.redirections > MAX_REDIRECTIONS || !self.follow(&error) {
                return Err(error);
            }
        }
    }

    async fn send_once(&mut self, cmd: &Cmd) -> RedisResult<Value> {
        let (connection, route) = (&mut self.connection, self.route.clone());
        if !self.asking {
            let routing = RoutingInfo::SingleNode(route);
            return connection.route_command(cmd.clone(), routing).await;
        }
        // Together, so that no other command of the connection comes between.
        let mut pipeline = redis::pipe();
        pipeline.cmd("ASKING").add_command(cmd.clone());
        let mut values = connection.route_pipeline(pipeline, 0, 2, route).await?;
        let none = || RedisError::from((ErrorKind::Parse, "a reply is missing"));
        values.pop().ok_or_else(none)
    }

    /// Turns to the node that `error` names, if it is a redirection.
    fn follow(&mut self, error: &RedisError) -> bool {
        let asking = match error.kind() {
            ErrorKind::Server(ServerErrorKind::Moved) => false,
            ErrorKind::Server(ServerErrorKind::Ask) => true,
            _ => return false,
        };
        let Some((host, port)) = error.redirect_node().and_then(|(node, _)| address(node)) else {
            // The same host as before, which the library does not tell. It knows
            // the new slots by now.
            return !asking;
        };
        self.route = SingleNodeRoutingInfo::ByAddress { host, port };
        self.asking = asking;
        true
    }
}

impl ConnectionLike for Routed {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(self.send(cmd))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let (pipeline, route) = (pipeline.clone(), self.route.clone());
        Box::pin(
            self.connection
                .route_pipeline(pipeline, offset, count, route),
        )
    }

    fn get_db(&self) -> i64 {
        0
    }
}

/// The host and port of a redirection. `None`: it names no host.
fn address(node: &str) -> Option<(String, u16)> {
    let (host, port) = node.rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    let port = port.parse().ok()?;
    (!matches!(host, "" | "?")).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use redis::RedisConnectionInfo;

    use super::*;

    fn node(port: u16) -> Node {
        let host = "127.0.0.1".to_owned();
        Node { host, port }
    }

    fn cluster() -> Arc<Cluster> {
        let second = Duration::from_secs(1);
        let connector = Connector::new(None, RedisConnectionInfo::default(), second, second);
        Arc::new(Cluster::new(connector.unwrap(), vec![node(1)]))
    }

    async fn resolves(cluster: &Cluster, port: u16) -> bool {
        cluster.resolver.resolve("127.0.0.1", port).await.is_ok()
    }

    #[tokio::test]
    async fn while_a_watch_is_current_only_its_masters_are_connected() {
        let cluster = cluster();
        assert!(resolves(&cluster, 9).await, "no watch");
        let first = cluster.restrict(&[node(2), node(3)]);
        assert!(resolves(&cluster, 3).await);
        assert!(!resolves(&cluster, 9).await, "no master");
        let second = cluster.restrict(&[node(3), node(4)]);
        drop(first);
        assert!(!resolves(&cluster, 2).await, "a master no more");
        assert!(resolves(&cluster, 4).await);
        drop(second);
        assert!(resolves(&cluster, 2).await, "no watch any more");
    }

    #[test]
    fn a_change_of_the_masters_ends_the_use_of_connections() {
        let cluster = cluster();
        let generation = || cluster.generation.load(SeqCst);
        let before = generation();
        let _first = cluster.restrict(&[node(2)]);
        let restricted = generation();
        assert_ne!(restricted, before, "of before the watch");
        let _same = cluster.restrict(&[node(2)]);
        assert_eq!(generation(), restricted, "the same masters");
        let _other = cluster.restrict(&[node(3)]);
        assert_ne!(generation(), restricted, "another master");
    }

    #[test]
    fn a_redirection_names_a_host_and_a_port() {
        let at = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(address("10.0.0.1:6379"), at("10.0.0.1", 6379));
        assert_eq!(address("2001:db8::1:6379"), at("2001:db8::1", 6379));
        assert_eq!(address("[::1]:6379"), at("::1", 6379));
        for same_host in [":6379", "?:6379", "h", "h:", "h:65536"] {
            assert_eq!(address(same_host), None, "{same_host}");
        }
    }
}
