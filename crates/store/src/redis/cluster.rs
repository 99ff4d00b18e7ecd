//! The masters of a Redis Cluster, and the way from a key to its own.
//!
//! Written here because a client that does all this by itself also sends a
//! change again after a lost answer, and [`crate::Store`] promises not to. A
//! redirection is another matter: who redirects has done nothing.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind};

use super::{
    Manner,
    address::Node,
    connections::{Lanes, Layout},
    dial::{Dialer, Line},
    error,
    target::Target,
    topology::{self, MAX_NODES, SLOTS, Topology, slot_of},
};
use crate::StoreError;

/// How often one operation goes somewhere else.
const MAX_REDIRECTIONS: usize = 5;
/// Between two questions for the topology.
const PAUSE: Duration = Duration::from_millis(100);
/// The owner of a slot that nobody has.
const NOBODY: u16 = u16::MAX;

pub(super) struct Cluster {
    dialer: Dialer,
    seeds: Vec<Node>,
    layout: Layout,
    map: RwLock<Option<Arc<Map>>>,
    nodes: Mutex<HashMap<Node, Arc<Lanes>>>,
    /// Whether the map may be out of date.
    suspect: AtomicBool,
    /// How the last question for the topology went; held meanwhile.
    asked: tokio::sync::Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    at: Option<Instant>,
    failed: Option<StoreError>,
}

pub(super) struct Map {
    epoch: u64,
    /// Its nodes' ids.
    ids: Vec<Vec<u8>>,
    masters: Vec<(Node, Arc<Lanes>)>,
    /// By slot: a place in `masters`.
    owners: Box<[u16]>,
}

impl Map {
    fn owner(&self, slot: u16) -> Result<&(Node, Arc<Lanes>), StoreError> {
        let place = usize::from(self.owners[usize::from(slot)]);
        let nobody = || StoreError::Unreachable("no node of the cluster has this key".to_owned());
        self.masters.get(place).ok_or_else(nobody)
    }
}

impl Cluster {
    pub(super) fn new(dialer: Dialer, seeds: Vec<Node>, layout: Layout) -> Self {
        Self {
            dialer,
            seeds,
            layout,
            map: RwLock::default(),
            nodes: Mutex::default(),
            suspect: AtomicBool::new(false),
            asked: tokio::sync::Mutex::default(),
        }
    }

    /// Runs `command` on the master that has `key` (as Redis has it).
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        key: &[u8],
        command: &Cmd,
        manner: Manner<'_>,
    ) -> Result<T, StoreError> {
        let slot = slot_of(key);
        let (mut node, mut lanes) = self.map().await?.owner(slot)?.clone();
        let mut may_repeat = matches!(manner, Manner::Read);
        let mut asking = false;
        let mut left = MAX_REDIRECTIONS;
        loop {
            let mut held = match lanes.connection().await {
                Ok(held) => held,
                Err(error) => {
                    // Nothing was sent: another may have taken its place.
                    self.doubt();
                    let owner = self.map().await?.owner(slot)?.clone();
                    if owner.0 == node || left == 0 {
                        return Err(error);
                    }
                    left -= 1;
                    (node, lanes) = owner;
                    asking = false;
                    continue;
                }
            };
            let sent = if asking {
                send_asking(&mut held.line, command, manner).await
            } else {
                super::send(&mut held.line, command, manner).await
            };
            let error = match sent {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let redirected = redirection(&error, &node);
            if let Some((to, asks)) = redirected
                && left > 0
            {
                left -= 1;
                // Only the move is for good.
                if !asks {
                    self.doubt();
                }
                lanes = self.lanes_of(&to)?;
                (node, asking) = (to, asks);
                continue;
            }
            let settled = held.settle(&error);
            if error::is_topology_suspect(&error) {
                self.doubt();
            }
            if !(may_repeat && error.is_connection_dropped()) {
                return Err(settled);
            }
            (may_repeat, asking) = (false, false);
            (node, lanes) = self.map().await?.owner(slot)?.clone();
        }
    }

    /// Whether each master answers.
    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        let map = self.map().await?;
        let ping = redis::cmd("PING");
        for (_, lanes) in &map.masters {
            let mut held = lanes.connection().await.inspect_err(|_| self.doubt())?;
            let mut answer: Result<String, RedisError> =
                ping.query_async(&mut held.line.connection).await;
            if let Err(error) = &answer
                && error.is_connection_dropped()
            {
                held.settle(error);
                held = lanes.connection().await.inspect_err(|_| self.doubt())?;
                answer = ping.query_async(&mut held.line.connection).await;
            }
            answer.map_err(|error| {
                self.doubt();
                held.settle(&error)
            })?;
        }
        Ok(())
    }

    fn doubt(&self) {
        self.suspect.store(true, Relaxed);
    }

    /// The map, asked for anew where it is in doubt: by one who needs it, while
    /// the others go by the old one. Where there is none yet, all wait for the
    /// one who asks.
    async fn map(&self) -> Result<Arc<Map>, StoreError> {
        let begun = Instant::now();
        let known = self.map.read().clone();
        let mut asked = match &known {
            Some(map) if !self.suspect.load(Relaxed) => return Ok(Arc::clone(map)),
            Some(map) => match self.asked.try_lock() {
                Ok(asked) if asked.at.is_none_or(|at| at.elapsed() >= PAUSE) => asked,
                _ => return Ok(Arc::clone(map)),
            },
            None => self.asked.lock().await,
        };
        if asked.at.is_some_and(|at| at >= begun) {
            // Another has asked meanwhile.
            if let Some(failed) = &asked.failed {
                return known.ok_or_else(|| failed.clone());
            }
            if let Some(map) = &*self.map.read() {
                return Ok(Arc::clone(map));
            }
        }
        // What is noticed from here on is not in the answer.
        self.suspect.store(false, Relaxed);
        let learnt = self.learn().await;
        let adopted = learnt.and_then(|topology| self.adopt(&topology));
        *asked = Asked {
            at: Some(Instant::now()),
            failed: adopted.as_ref().err().cloned(),
        };
        adopted.or_else(|error| {
            self.doubt();
            known.ok_or(error)
        })
    }

    /// What the nodes say of themselves now.
    pub(super) async fn learn(&self) -> Result<Topology, StoreError> {
        let mut nodes = self.seeds.clone();
        if let Some(map) = &*self.map.read() {
            for (node, _) in map.masters.iter().rev() {
                if !nodes.contains(node) {
                    // Before those of the URL, which may be of long ago.
                    nodes.insert(0, node.clone());
                }
            }
        }
        let connect = self.layout.connect;
        let learnt = tokio::time::timeout(connect, topology::learn(&self.dialer, &nodes)).await;
        let late = || StoreError::Unreachable("no node of the cluster answers in time".to_owned());
        learnt.map_err(|_| late())?
    }

    /// Goes by `topology` from now on: keys lead to its masters alone. Refused
    /// where a newer one of the same cluster is known.
    pub(super) fn adopt(&self, topology: &Topology) -> Result<Arc<Map>, StoreError> {
        let mut current = self.map.write();
        let epoch = topology.standing.epoch;
        let is_newer = |known: &Map| {
            known.epoch > epoch && known.ids.iter().any(|id| topology.ids.contains(id))
        };
        if current.as_deref().is_some_and(is_newer) {
            let old = "what a node knows of the cluster is out of date";
            return Err(StoreError::Unreachable(old.to_owned()));
        }
        let mut masters: Vec<(Node, Arc<Lanes>)> = Vec::new();
        let mut owners = vec![NOBODY; usize::from(SLOTS)].into_boxed_slice();
        for (start, end, node) in &topology.ranges {
            let known = masters.iter().position(|(known, _)| known == node);
            if known.is_none() {
                masters.push((node.clone(), self.lanes_of(node)?));
            }
            let place = known.unwrap_or(masters.len() - 1);
            let place = u16::try_from(place).unwrap_or(NOBODY);
            owners[usize::from(*start)..=usize::from(*end)].fill(place);
        }
        let is_master = |node: &Node| masters.iter().any(|(known, _)| known == node);
        self.nodes.lock().retain(|node, _| is_master(node));
        let map = Arc::new(Map {
            epoch,
            ids: topology.ids.clone(),
            masters,
            owners,
        });
        *current = Some(Arc::clone(&map));
        Ok(map)
    }

    fn lanes_of(&self, node: &Node) -> Result<Arc<Lanes>, StoreError> {
        let mut nodes = self.nodes.lock();
        if let Some(lanes) = nodes.get(node) {
            return Ok(Arc::clone(lanes));
        }
        if nodes.len() >= MAX_NODES {
            return Err(StoreError::Refused(
                "too many nodes in the cluster".to_owned(),
            ));
        }
        let target = Target::Fixed(self.dialer.clone(), node.clone());
        let lanes = Arc::new(Lanes::new(target, self.layout.clone()));
        nodes.insert(node.clone(), Arc::clone(&lanes));
        Ok(lanes)
    }
}

/// Sends `command` as one who was sent here though the key is another's still.
async fn send_asking<T: FromRedisValue>(
    line: &mut Line,
    command: &Cmd,
    manner: Manner<'_>,
) -> RedisResult<T> {
    // Together, so that no other command of this connection comes between.
    let mut pipeline = redis::pipe();
    pipeline.cmd("ASKING").ignore().add_command(command.clone());
    let mut outcome: RedisResult<(T,)> = pipeline.query_async(&mut line.connection).await;
    if let (Err(error), Manner::Script(script)) = (&outcome, manner)
        && super::is_unknown_script(error)
    {
        script.load(line).await?;
        outcome = pipeline.query_async(&mut line.connection).await;
    }
    outcome.map(|(answer,)| answer)
}

/// Where `from` sends us instead, and whether for this once.
fn redirection(error: &RedisError, from: &Node) -> Option<(Node, bool)> {
    let asks = match error.kind() {
        ErrorKind::Server(ServerErrorKind::Moved) => false,
        ErrorKind::Server(ServerErrorKind::Ask) => true,
        _ => return None,
    };
    // Of what was sent behind ASKING the error is a pipeline's, which has its
    // words in its parts.
    let parts = error.clone().into_server_errors();
    let words = match &parts {
        Some(parts) => parts.first()?.1.details(),
        None => error.detail(),
    };
    // The slot, and whose it is.
    let address = words?.split_ascii_whitespace().nth(1)?;
    Some((topology::read_address(address, from)?, asks))
}

#[cfg(test)]
mod tests {
    use redis::RedisConnectionInfo;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn node(port: u16) -> Node {
        let host = "127.0.0.1".to_owned();
        Node { host, port }
    }

    /// In which the master at `port` has the slots up to 99.
    fn topology(epoch: u64, id: &str, port: u16) -> Topology {
        Topology {
            standing: topology::Standing::in_epoch(epoch),
            ids: vec![id.into()],
            ranges: vec![(0, 99, node(port))],
            masters: vec![node(port)],
            failing: false,
        }
    }

    fn cluster() -> Cluster {
        let dialer = Dialer::new(None, RedisConnectionInfo::default(), SECOND, SECOND);
        let layout = Layout {
            shared: 1,
            home: None,
            connect: SECOND,
        };
        Cluster::new(dialer, vec![node(1)], layout)
    }

    #[test]
    fn what_was_before_an_election_is_not_adopted_after_it() {
        let cluster = cluster();
        cluster.adopt(&topology(7, "a", 1)).unwrap();
        assert!(cluster.adopt(&topology(6, "a", 2)).is_err());
        cluster.adopt(&topology(7, "a", 2)).unwrap();
        // Made anew, with other nodes.
        let map = cluster.adopt(&topology(1, "b", 3)).unwrap();
        assert_eq!(map.owner(99).unwrap().0, node(3));
        assert!(matches!(map.owner(100), Err(StoreError::Unreachable(_))));
        assert_eq!(cluster.nodes.lock().len(), 1, "the others are forgotten");
    }

    #[tokio::test]
    async fn who_waits_for_the_one_that_asks_shares_its_failure() {
        let cluster = cluster();
        let (one, other) = tokio::join!(cluster.map(), cluster.map());
        assert!(one.is_err() && other.is_err());
    }
}
