//! Who has to answer for a watch: every server that may take a change to a key.
//!
//! - One server: it alone.
//! - With sentinels: the master, as long as it is one, and a majority of them
//!   for that it still is the one. Who goes to another master has heard of it
//!   from a majority, and one of that would have told us.
//! - A cluster: every master, as long as the cluster stands as it did. No
//!   replica takes over without an election in a higher epoch, which a majority
//!   of the masters voted in and so knows before. (But for an operator's
//!   `CLUSTER FAILOVER TAKEOVER`, which asks nobody.)

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::RedisResult;
use tokio::{sync::Notify, task::JoinSet};

use super::{
    super::{
        Servers,
        address::Node,
        dial::{Dialer, Line},
        error,
        target::{self, Target},
        topology::{self, Standing},
    },
    Listener,
};
use crate::StoreError;

/// How long a sentinel may take to answer.
const SENTINEL: Duration = Duration::from_millis(500);

/// Connections on which changes are told, and those who vouch for them.
pub(super) struct TrackedServers {
    servers: Vec<Line>,
    question: Question,
    sentinels: Option<Vouching>,
    /// When they were asked what they answered last.
    asked: Instant,
    lost: Arc<Notify>,
}

/// Sentinels who name `master`.
struct Vouching {
    master: Node,
    target: Arc<Target>,
    lines: Vec<Line>,
}

/// What each server is asked.
#[derive(Clone, Copy)]
enum Question {
    /// A sign of life.
    Ping,
    /// Whether it is a master.
    Role,
    /// Whether this is how its cluster stands.
    Standing(Standing),
}

impl TrackedServers {
    /// Finds them, and has them tell `listener` of changes to keys that begin
    /// with `prefix`. The store's own connections lead to them alone then.
    pub(super) async fn find(
        servers: &Servers,
        dialer: &Dialer,
        prefix: &str,
        listener: &Listener,
    ) -> Result<Self, StoreError> {
        match servers {
            Servers::One(lanes) => match &**lanes.target() {
                Target::Fixed(_, node) => {
                    let nodes = std::slice::from_ref(node);
                    Self::tracking(nodes, dialer, prefix, listener, Question::Ping).await
                }
                Target::Master(_, sentinels) => {
                    let (master, agreed) = sentinels.agreed().await?;
                    let nodes = std::slice::from_ref(&master);
                    let tracking = Self::tracking(nodes, dialer, prefix, listener, Question::Role);
                    let mut found = tracking.await?;
                    found.sentinels = Some(Vouching {
                        master: master.clone(),
                        target: Arc::clone(lanes.target()),
                        lines: agreed,
                    });
                    // That it still was the master when it had begun to tell.
                    found.ask().await?;
                    lanes.lead_only_to(&master);
                    Ok(found)
                }
            },
            Servers::Cluster(cluster) => {
                let topology = cluster.learn().await?;
                if topology.failing || !topology.standing.ok {
                    let failed = "a master of the cluster has failed";
                    return Err(StoreError::Unreachable(failed.to_owned()));
                }
                let question = Question::Standing(topology.standing);
                let nodes = &topology.masters;
                let mut found = Self::tracking(nodes, dialer, prefix, listener, question).await?;
                found.ask().await?;
                cluster.adopt(&topology)?;
                Ok(found)
            }
        }
    }

    /// Connections with `nodes`, on each of which tracking is on.
    async fn tracking(
        nodes: &[Node],
        dialer: &Dialer,
        prefix: &str,
        listener: &Listener,
        question: Question,
    ) -> Result<Self, StoreError> {
        let asked = Instant::now();
        let mut tracking = JoinSet::new();
        for node in nodes {
            let (dialer, node, listener) = (dialer.clone(), node.clone(), listener.clone());
            let mut track = redis::cmd("CLIENT");
            track.arg(&["TRACKING", "ON", "BCAST", "PREFIX", prefix]);
            tracking.spawn(async move {
                let mut line = dialer.dial_listening(&node, listener).await?;
                let () = track.query_async(&mut line.connection).await?;
                RedisResult::Ok(line)
            });
        }
        let mut servers = Vec::with_capacity(nodes.len());
        while let Some(tracked) = tracking.join_next().await {
            let tracked = tracked.map_err(|_| ending())?;
            servers.push(tracked.map_err(|e| error::explain(&e))?);
        }
        Ok(Self {
            servers,
            question,
            sentinels: None,
            asked,
            lost: Arc::clone(&listener.lost),
        })
    }

    /// When they were asked what they answered last.
    pub(super) fn asked(&self) -> Instant {
        self.asked
    }

    /// Until one of the connections on which changes are told is lost.
    pub(super) async fn is_lost(&self) {
        self.lost.notified().await;
    }

    /// Asks each of them. Gives the moment until which all has been told:
    /// Redis tells the changes of one turn of its loop behind the answers of
    /// that turn, so what was there at the question before this one has been
    /// told in any case.
    pub(super) async fn ask(&mut self) -> Result<Instant, StoreError> {
        let asked = Instant::now();
        let mut asking = JoinSet::new();
        for server in &self.servers {
            asking.spawn(answer(server.clone(), self.question));
        }
        if let Some(sentinels) = &mut self.sentinels {
            sentinels.ask().await?;
        }
        while let Some(answered) = asking.join_next().await {
            answered.map_err(|_| ending())??;
        }
        Ok(std::mem::replace(&mut self.asked, asked))
    }
}

impl Vouching {
    /// Whether a majority still names the master. Who does not, or not soon, is
    /// not asked again.
    async fn ask(&mut self) -> Result<(), StoreError> {
        let mut asking = JoinSet::new();
        for mut line in self.lines.drain(..) {
            let (target, master) = (Arc::clone(&self.target), self.master.clone());
            asking.spawn(async move {
                let names = target.is_led_to(&mut line, &master);
                let names = tokio::time::timeout(SENTINEL, names).await;
                names.unwrap_or(false).then_some(line)
            });
        }
        while let Some(answered) = asking.join_next().await {
            self.lines.extend(answered.map_err(|_| ending())?);
        }
        if self.target.is_majority(self.lines.len()) {
            return Ok(());
        }
        let another = "no majority of the sentinels names this master now";
        Err(StoreError::Unreachable(another.to_owned()))
    }
}

/// Whether the server behind `line` answers as it should.
async fn answer(mut line: Line, question: Question) -> Result<(), StoreError> {
    match question {
        Question::Ping => {
            let pong: RedisResult<()> = redis::cmd("PING").query_async(&mut line.connection).await;
            pong.map_err(|e| error::explain(&e))
        }
        Question::Role => target::check_role(&mut line).await,
        Question::Standing(expected) => {
            let standing = topology::standing(&mut line).await;
            if standing.map_err(|e| error::explain(&e))? == Some(expected) {
                return Ok(());
            }
            let changed = "the cluster has changed";
            Err(StoreError::Unreachable(changed.to_owned()))
        }
    }
}

fn ending() -> StoreError {
    StoreError::Unreachable("the process is ending".to_owned())
}
