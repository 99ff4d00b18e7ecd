//! The servers that must reply for a watch: every server that may take a change to
//! a key.
//!
//! - One server: that server.
//! - With sentinels: the master while it is one, and a majority of the sentinels,
//!   which must still name it. Any other majority, which a failover needs, shares a
//!   sentinel with this one.
//! - A cluster: every master, while the cluster's state is unchanged and each of
//!   them is still a master. A replica is promoted by an election in a higher epoch,
//!   in which a majority of the masters voted and which they so know before. (Except
//!   by an operator's `CLUSTER FAILOVER TAKEOVER`, which asks nobody.)

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{RedisResult, aio::MultiplexedConnection};
use tokio::{sync::Notify, task::JoinSet};

use super::{
    super::{
        Servers,
        address::Node,
        cluster::Restriction,
        connector::Connector,
        error,
        sentinels::Sentinels,
        server::{self, NO_MASTER},
        topology::{self, ClusterState},
    },
    Listener,
};
use crate::StoreError;

/// The longest time to wait for a sentinel's reply.
const SENTINEL: Duration = Duration::from_millis(500);

/// Connections that receive invalidations, and the sentinels that name the master.
pub(super) struct TrackedServers {
    servers: Vec<MultiplexedConnection>,
    probe: Probe,
    quorum: Option<Quorum>,
    /// Keeps the store's own connections to the tracked masters.
    restriction: Option<Restriction>,
    /// When the last probe that was answered was sent.
    probed: Instant,
    lost: Arc<Notify>,
}

/// What every tracked server is asked.
#[derive(Clone, Copy)]
enum Probe {
    /// Whether it answers.
    Ping,
    /// Whether it is a master.
    Role,
    /// Whether it is a master, and the state of its cluster is this.
    Cluster(ClusterState),
}

/// Sentinels that name `master`.
struct Quorum {
    master: Node,
    sentinels: Arc<Sentinels>,
    connections: Vec<MultiplexedConnection>,
}

impl TrackedServers {
    /// Finds the servers, and has them send `listener` the invalidations of keys
    /// that begin with `prefix`. From then on the store's own connections lead to
    /// these servers alone.
    pub(super) async fn track(
        servers: &Servers,
        connector: &Connector,
        prefix: &str,
        listener: &Listener,
    ) -> Result<Self, StoreError> {
        let tracking = Tracking {
            connector,
            prefix,
            listener,
        };
        match servers {
            Servers::One(connections) => {
                let node = connections.target().node();
                tracking.on(std::slice::from_ref(node), Probe::Ping).await
            }
            Servers::Sentinels(connections) => {
                let sentinels = connections.target();
                let (master, agreed) = sentinels.ask().await?;
                let mut tracked = tracking
                    .on(std::slice::from_ref(&master), Probe::Role)
                    .await?;
                tracked.quorum = Some(Quorum {
                    master: master.clone(),
                    sentinels: Arc::clone(sentinels),
                    connections: agreed,
                });
                // It was still the master when tracking began.
                tracked.probe().await?;
                sentinels.lead_to(&master)?;
                Ok(tracked)
            }
            Servers::Cluster(connections) => {
                let cluster = connections.target();
                let topology = cluster.topology().await?;
                if topology.failing || !topology.state.ok {
                    let failed = "a master of the cluster has failed";
                    return Err(StoreError::Unreachable(failed.to_owned()));
                }
                let masters = &topology.masters;
                let mut tracked = tracking.on(masters, Probe::Cluster(topology.state)).await?;
                tracked.probe().await?;
                tracked.restriction = Some(cluster.restrict(masters));
                Ok(tracked)
            }
        }
    }

    /// When the last probe that was answered was sent.
    pub(super) const fn probed(&self) -> Instant {
        self.probed
    }

    /// Waits until a connection that receives invalidations is lost.
    pub(super) async fn is_lost(&self) {
        self.lost.notified().await;
    }

    /// Probes every server. Returns the moment before which every change has been
    /// delivered: Redis sends the invalidations of one turn of its event loop behind
    /// the replies of that turn, so this is the moment of the probe before.
    pub(super) async fn probe(&mut self) -> Result<Instant, StoreError> {
        let probed = Instant::now();
        let mut probing = JoinSet::new();
        for server in &self.servers {
            probing.spawn(answer(server.clone(), self.probe));
        }
        if let Some(quorum) = &mut self.quorum {
            quorum.ask().await?;
        }
        while let Some(answered) = probing.join_next().await {
            answered.map_err(|_| ending())??;
        }
        Ok(std::mem::replace(&mut self.probed, probed))
    }
}

/// How a server is made to send invalidations.
struct Tracking<'t> {
    connector: &'t Connector,
    prefix: &'t str,
    listener: &'t Listener,
}

impl Tracking<'_> {
    /// Connections to `nodes` with tracking on.
    async fn on(&self, nodes: &[Node], probe: Probe) -> Result<TrackedServers, StoreError> {
        let probed = Instant::now();
        let mut connecting = JoinSet::new();
        for node in nodes {
            let (connector, node) = (self.connector.clone(), node.clone());
            let listener = self.listener.clone();
            let mut track = redis::cmd("CLIENT");
            track.arg(&["TRACKING", "ON", "BCAST", "PREFIX", self.prefix]);
            connecting.spawn(async move {
                let mut connection = connector.connect_with_listener(&node, listener).await?;
                let () = track.query_async(&mut connection).await?;
                RedisResult::Ok(connection)
            });
        }
        let mut servers = Vec::with_capacity(nodes.len());
        while let Some(connected) = connecting.join_next().await {
            let connected = connected.map_err(|_| ending())?;
            servers.push(connected.map_err(|e| error::explain(&e))?);
        }
        Ok(TrackedServers {
            servers,
            probe,
            quorum: None,
            restriction: None,
            probed,
            lost: Arc::clone(&self.listener.lost),
        })
    }
}

impl Quorum {
    /// Whether a majority still names the master. A sentinel that does not, or not in
    /// time, is not asked again.
    async fn ask(&mut self) -> Result<(), StoreError> {
        let mut asking = JoinSet::new();
        for mut connection in self.connections.drain(..) {
            let (sentinels, master) = (Arc::clone(&self.sentinels), self.master.clone());
            asking.spawn(async move {
                let names = sentinels.names(&mut connection, &master);
                let names = tokio::time::timeout(SENTINEL, names).await;
                names.unwrap_or(false).then_some(connection)
            });
        }
        while let Some(answered) = asking.join_next().await {
            self.connections.extend(answered.map_err(|_| ending())?);
        }
        if self.sentinels.is_majority(self.connections.len()) {
            return Ok(());
        }
        let another = "no majority of the sentinels names this master now";
        Err(StoreError::Unreachable(another.to_owned()))
    }
}

/// Whether the server behind `connection` answers `probe` as it should.
async fn answer(mut connection: MultiplexedConnection, probe: Probe) -> Result<(), StoreError> {
    let unreachable = |why: &str| Err(StoreError::Unreachable(why.to_owned()));
    let answered = async {
        if let Probe::Ping = probe {
            let () = redis::cmd("PING").query_async(&mut connection).await?;
            return Ok(Ok(()));
        }
        if let Probe::Cluster(expected) = probe
            && topology::state(&mut connection).await? != Some(expected)
        {
            return Ok(unreachable("the cluster has changed"));
        }
        if !server::is_master(&mut connection).await? {
            return Ok(unreachable(NO_MASTER));
        }
        RedisResult::Ok(Ok(()))
    };
    answered.await.map_err(|error| error::explain(&error))?
}

fn ending() -> StoreError {
    StoreError::Unreachable("the process is ending".to_owned())
}
