//! Which masters a Redis Cluster has, and in which epoch, for the watch: the
//! library tells neither.

use std::collections::HashMap;

use redis::{
    ErrorKind, RedisError, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use tokio::task::JoinSet;

use super::{address::Node, connector::Connector, error};
use crate::StoreError;

/// The most nodes that are asked at once.
const MAX_ASKED: usize = 16;
/// The most nodes that a cluster may have.
const MAX_NODES: usize = 1024;

/// The state of a cluster. It changes with each failover and with each node that
/// joins or leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClusterState {
    /// Every election needs a higher one.
    pub(super) epoch: u64,
    known_nodes: u64,
    /// Whether it serves.
    pub(super) ok: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Topology {
    pub(super) state: ClusterState,
    /// All masters, those without a slot too: keys may be moving there.
    pub(super) masters: Vec<Node>,
    /// Whether a master with slots has failed: a replica may be taking over.
    pub(super) failing: bool,
}

impl Topology {
    /// Whether another server is a master than was `before`, and all slots are served.
    /// The epoch need not have changed: a master knows the epoch of an election from its
    /// own vote on, and the new master only later. A lower epoch is the view of a node
    /// that has heard less than was known `before`.
    pub(super) fn has_failed_over_since(&self, before: &Self) -> bool {
        let is_new = |master: &Node| !before.masters.contains(master);
        self.state.ok
            && !self.failing
            && self.state.epoch >= before.state.epoch
            && self.masters.iter().any(is_new)
    }
}

/// The answer of the first of `nodes` whose cluster serves, or of another one if
/// no cluster serves.
pub(super) async fn learn(connector: &Connector, nodes: &[Node]) -> Result<Topology, StoreError> {
    let mut asking = JoinSet::new();
    for node in nodes.iter().take(MAX_ASKED) {
        let (connector, node) = (connector.clone(), node.clone());
        asking.spawn(async move {
            let mut connection = connector.connect(&node).await?;
            ask(&mut connection, &node).await
        });
    }
    let mut outcome = Err(StoreError::Unreachable("no node is known".to_owned()));
    while let Some(answered) = asking.join_next().await {
        match answered {
            Ok(Ok(topology)) if topology.state.ok => return Ok(topology),
            Ok(Ok(topology)) => outcome = Ok(topology),
            Ok(Err(error)) if outcome.is_err() => outcome = Err(explain(&error)),
            _ => {}
        }
    }
    outcome
}

/// What the `error` of a question about the cluster means. A server that is in no
/// cluster refuses it.
pub(super) fn explain(error: &RedisError) -> StoreError {
    match error::explain(error) {
        StoreError::Refused(why) => {
            StoreError::Refused(format!("a question about its cluster: {why}"))
        }
        unreachable @ StoreError::Unreachable(_) => unreachable,
    }
}

async fn ask(connection: &mut MultiplexedConnection, node: &Node) -> RedisResult<Topology> {
    let (info, slots, nodes): (String, Value, String) = redis::pipe()
        .cmd("CLUSTER")
        .arg("INFO")
        .cmd("CLUSTER")
        .arg("SLOTS")
        .cmd("CLUSTER")
        .arg("NODES")
        .query_async(connection)
        .await?;
    read(&info, &slots, &nodes, node)
        .ok_or_else(|| RedisError::from((ErrorKind::Parse, "not a cluster's answer")))
}

/// The state of the cluster, as the node behind `connection` knows it.
pub(super) async fn state(
    connection: &mut (impl ConnectionLike + Send),
) -> RedisResult<Option<ClusterState>> {
    let mut question = redis::cmd("CLUSTER");
    let info: String = question.arg("INFO").query_async(connection).await?;
    Ok(read_state(&info))
}

/// Reads the answers of the node `from`. Where it does not know its own address,
/// that is `from`.
fn read(info: &str, slots: &Value, nodes: &str, from: &Node) -> Option<Topology> {
    let names = read_names(slots, from)?;
    let mut masters = Vec::new();
    let mut failing = false;
    for line in nodes.lines() {
        let mut fields = line.split(' ');
        let (id, address, flags) = (fields.next()?, fields.next()?, fields.next()?);
        let is = |flag: &str| flags.split(',').any(|one| one == flag);
        if !is("master") || is("handshake") || is("noaddr") {
            continue;
        }
        let node = names.get(id.as_bytes());
        if is("fail") {
            failing |= node.is_some();
        } else {
            masters.push(match node {
                Some(node) => node.clone(),
                None => read_address(address, from)?,
            });
        }
    }
    if masters.len() > MAX_NODES {
        return None;
    }
    Some(Topology {
        state: read_state(info)?,
        masters,
        failing,
    })
}

/// From CLUSTER SLOTS, by node id: the address that clients are to use (a name,
/// where the node has one).
fn read_names<'s>(slots: &'s Value, from: &Node) -> Option<HashMap<&'s [u8], Node>> {
    let Value::Array(slots) = slots else {
        return None;
    };
    let mut names = HashMap::new();
    for range in slots {
        let Value::Array(range) = range else {
            return None;
        };
        let [Value::Int(_), Value::Int(_), servers @ ..] = range.as_slice() else {
            return None;
        };
        for server in servers {
            let Value::Array(server) = server else {
                return None;
            };
            let [host, Value::Int(port), Value::BulkString(id), ..] = server.as_slice() else {
                return None;
            };
            let host = match host {
                Value::BulkString(host) if !matches!(host.as_slice(), b"" | b"?") => {
                    String::from_utf8(host.clone()).ok()?
                }
                _ => from.host.clone(),
            };
            let port = u16::try_from(*port).ok()?;
            names.insert(id.as_slice(), Node { host, port });
        }
    }
    (names.len() <= MAX_NODES).then_some(names)
}

fn read_state(info: &str) -> Option<ClusterState> {
    let value = |name: &str| {
        info.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key == name).then(|| value.trim())
        })
    };
    Some(ClusterState {
        epoch: value("cluster_current_epoch")?.parse().ok()?,
        known_nodes: value("cluster_known_nodes")?.parse().ok()?,
        ok: value("cluster_state")? == "ok",
    })
}

/// `host:port` or `host:port@bus,name`, in which a missing host is `from`'s.
fn read_address(text: &str, from: &Node) -> Option<Node> {
    let text = text.split(['@', ',']).next()?;
    let (host, port) = text.rsplit_once(':')?;
    let host = if matches!(host, "" | "?") {
        &from.host
    } else {
        host.trim_matches(['[', ']'])
    };
    Some(Node {
        host: host.to_owned(),
        port: port.parse().ok()?,
    })
}

#[cfg(test)]
mod tests;
