//! Who has which keys of a Redis Cluster, as one of its nodes tells it.

use std::collections::HashMap;

use redis::{RedisError, RedisResult, Value};
use tokio::task::JoinSet;

use super::{
    address::Node,
    dial::{Dialer, Line},
    error,
};
use crate::StoreError;

/// How many slots there are: the protocol's number.
pub(super) const SLOTS: u16 = 16_384;
/// The most nodes that are asked at once.
const MAX_ASKED: usize = 16;
/// The most nodes that a cluster may have.
pub(super) const MAX_NODES: usize = 1024;

/// How the cluster stands. It changes with each failover and each node that
/// comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// No election is won without a higher one.
    pub(super) epoch: u64,
    known_nodes: u64,
    /// Whether it serves.
    pub(super) ok: bool,
}

#[cfg(test)]
impl Standing {
    /// One that serves.
    pub(super) fn in_epoch(epoch: u64) -> Self {
        Self {
            epoch,
            known_nodes: 1,
            ok: true,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Topology {
    pub(super) standing: Standing,
    /// Of the nodes that have slots: they tell one cluster from another.
    pub(super) ids: Vec<Vec<u8>>,
    /// From, to (inclusive), whose.
    pub(super) ranges: Vec<(u16, u16, Node)>,
    /// All masters, those without a slot too: keys may be on their way there.
    pub(super) masters: Vec<Node>,
    /// Whether a master with slots has failed: another may be about to follow it.
    pub(super) failing: bool,
}

/// What the first of `nodes` to answer says that is in a cluster that serves;
/// where none is, what one of the others says.
pub(super) async fn learn(dialer: &Dialer, nodes: &[Node]) -> Result<Topology, StoreError> {
    let mut asking = JoinSet::new();
    for node in nodes.iter().take(MAX_ASKED) {
        let (dialer, node) = (dialer.clone(), node.clone());
        asking.spawn(async move {
            let mut line = dialer.dial(&node).await?;
            ask(&mut line, &node).await
        });
    }
    let mut outcome = Err(StoreError::Unreachable("no node is known".to_owned()));
    while let Some(answered) = asking.join_next().await {
        match answered {
            Ok(Ok(topology)) if topology.standing.ok => return Ok(topology),
            Ok(Ok(topology)) => outcome = Ok(topology),
            Ok(Err(error)) if outcome.is_err() => {
                // Its own words are "cluster support disabled", among other things.
                outcome = Err(match error::explain(&error) {
                    StoreError::Refused(why) => {
                        StoreError::Refused(format!("a question about its cluster: {why}"))
                    }
                    unreachable @ StoreError::Unreachable(_) => unreachable,
                });
            }
            _ => {}
        }
    }
    outcome
}

async fn ask(line: &mut Line, node: &Node) -> RedisResult<Topology> {
    let (info, slots, nodes): (String, Value, String) = redis::pipe()
        .cmd("CLUSTER")
        .arg("INFO")
        .cmd("CLUSTER")
        .arg("SLOTS")
        .cmd("CLUSTER")
        .arg("NODES")
        .query_async(&mut line.connection)
        .await?;
    read(&info, &slots, &nodes, node)
        .ok_or_else(|| RedisError::from((redis::ErrorKind::Parse, "not a cluster's answer")))
}

/// How the cluster stands, says the node behind `line`.
pub(super) async fn standing(line: &mut Line) -> RedisResult<Option<Standing>> {
    let mut question = redis::cmd("CLUSTER");
    let info: String = question
        .arg("INFO")
        .query_async(&mut line.connection)
        .await?;
    Ok(read_standing(&info))
}

/// `from`: who answered. Where it does not know its own address, it is that.
fn read(info: &str, slots: &Value, nodes: &str, from: &Node) -> Option<Topology> {
    let Value::Array(slots) = slots else {
        return None;
    };
    // By their ids: what clients are to call the nodes (a name, where they have one).
    let mut called = HashMap::new();
    let mut ranges = Vec::new();
    for range in slots {
        let Value::Array(range) = range else {
            return None;
        };
        let [Value::Int(start), Value::Int(end), serving @ ..] = range.as_slice() else {
            return None;
        };
        let (start, end) = (u16::try_from(*start).ok()?, u16::try_from(*end).ok()?);
        if start > end || end >= SLOTS {
            return None;
        }
        for (place, server) in serving.iter().enumerate() {
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
            let node = Node { host, port };
            if place == 0 {
                ranges.push((start, end, node.clone()));
            }
            called.insert(id.clone(), node);
        }
    }
    let mut masters = Vec::new();
    let mut failing = false;
    for line in nodes.lines() {
        let mut fields = line.split(' ');
        let (id, address, flags) = (fields.next()?, fields.next()?, fields.next()?);
        let is = |flag: &str| flags.split(',').any(|one| one == flag);
        if !is("master") || is("handshake") || is("noaddr") {
            continue;
        }
        let known = called.get(id.as_bytes());
        if is("fail") {
            failing |= known.is_some();
        } else {
            masters.push(match known {
                Some(node) => node.clone(),
                None => read_address(address, from)?,
            });
        }
    }
    if masters.len() > MAX_NODES || called.len() > MAX_NODES {
        return None;
    }
    Some(Topology {
        standing: read_standing(info)?,
        ids: called.into_keys().collect(),
        ranges,
        masters,
        failing,
    })
}

fn read_standing(info: &str) -> Option<Standing> {
    let value = |name: &str| {
        info.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key == name).then(|| value.trim())
        })
    };
    Some(Standing {
        epoch: value("cluster_current_epoch")?.parse().ok()?,
        known_nodes: value("cluster_known_nodes")?.parse().ok()?,
        ok: value("cluster_state")? == "ok",
    })
}

/// `host:port` or `host:port@bus,name`, in which a missing host is `from`'s.
pub(super) fn read_address(text: &str, from: &Node) -> Option<Node> {
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

/// The slot of `key`: CRC-16 (XMODEM) of it, or of what is between its first
/// braces.
pub(super) fn slot_of(key: &[u8]) -> u16 {
    let braced = || {
        let open = key.iter().position(|b| *b == b'{')? + 1;
        let length = key[open..].iter().position(|b| *b == b'}')?;
        (length > 0).then(|| &key[open..open + length])
    };
    let crc = braced().unwrap_or(key).iter().fold(0_u16, |crc, byte| {
        (crc << 8) ^ CRC[usize::from((crc >> 8) ^ u16::from(*byte))]
    });
    crc % SLOTS
}

/// CRC-16 of each byte, polynomial 0x1021.
const CRC: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte: u16 = 0;
    while byte < 256 {
        let mut crc = byte << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            };
            bit += 1;
        }
        table[byte as usize] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests;
