//! Where lanes lead: to a server of a fixed address, or to whom the sentinels
//! say is the master now.
//!
//! A majority of the sentinels in the URL must name the same server: one that is
//! cut off from the others goes on naming the old master. So two who each had an
//! answer know which of them is the newer, and no change goes to a new master
//! before every majority says so (`changes` builds on that).

use parking_lot::Mutex;
use redis::{RedisResult, Value};
use tokio::task::JoinSet;

use super::{
    address::Node,
    dial::{Dialer, Line},
    error,
};
use crate::StoreError;

pub(super) enum Target {
    Fixed(Dialer, Node),
    Master(Dialer, Sentinels),
}

impl Target {
    /// A connection, and with whom it is.
    pub(super) async fn connect(&self) -> Result<(Line, Node), StoreError> {
        match self {
            Self::Fixed(dialer, node) => {
                let line = dialer.dial(node).await;
                Ok((line.map_err(|e| error::explain(&e))?, node.clone()))
            }
            Self::Master(dialer, sentinels) => {
                let node = sentinels.master().await?;
                let line = dialer.dial(&node).await;
                let mut line = line.map_err(|e| error::explain(&e))?;
                check_role(&mut line).await?;
                Ok((line, node))
            }
        }
    }

    /// Before a connection is made: see [`Target::may_lead_to`].
    pub(super) fn turn(&self) -> u64 {
        match self {
            Self::Fixed(..) => 0,
            Self::Master(_, sentinels) => sentinels.vouched.lock().0,
        }
    }

    /// Whether a connection with `node` that was begun at `turn` may be used:
    /// not where somebody has learnt of another master since.
    pub(super) fn may_lead_to(&self, node: &Node, turn: u64) -> bool {
        let Self::Master(_, sentinels) = self else {
            return true;
        };
        let vouched = sentinels.vouched.lock();
        vouched.0 == turn || vouched.1.as_ref() == Some(node)
    }

    /// Whether the sentinel behind `line` calls `node` the master.
    pub(super) async fn is_led_to(&self, line: &mut Line, node: &Node) -> bool {
        let Self::Master(_, sentinels) = self else {
            return true;
        };
        matches!(ask(line, &sentinels.name).await, Ok(Some(named)) if named == *node)
    }

    /// Whether so many sentinels are a majority.
    pub(super) fn is_majority(&self, count: usize) -> bool {
        match self {
            Self::Fixed(..) => true,
            Self::Master(_, sentinels) => sentinels.is_majority(count),
        }
    }

    /// A majority of the sentinels has just named `node`.
    pub(super) fn vouch_for(&self, node: &Node) {
        if let Self::Master(_, sentinels) = self {
            let mut vouched = sentinels.vouched.lock();
            *vouched = (vouched.0 + 1, Some(node.clone()));
        }
    }
}

/// Refuses one that the sentinels call master but that is none (yet).
pub(super) async fn check_role(line: &mut Line) -> Result<(), StoreError> {
    let role: RedisResult<Vec<Value>> = redis::cmd("ROLE").query_async(&mut line.connection).await;
    let role = role.map_err(|e| error::explain(&e))?;
    match role.first() {
        Some(Value::BulkString(role)) if role == b"master" => Ok(()),
        _ => Err(StoreError::Unreachable(
            "the server that the sentinels name is no master now".to_owned(),
        )),
    }
}

/// Those who know who is the master.
pub(super) struct Sentinels {
    dialer: Dialer,
    nodes: Vec<Node>,
    name: String,
    /// How often a master was vouched for, and the last one.
    vouched: Mutex<(u64, Option<Node>)>,
}

impl Sentinels {
    pub(super) fn new(dialer: Dialer, nodes: Vec<Node>, name: String) -> Self {
        Self {
            dialer,
            nodes,
            name,
            vouched: Mutex::default(),
        }
    }

    fn is_majority(&self, count: usize) -> bool {
        count > self.nodes.len() / 2
    }

    /// The server that a majority calls master.
    async fn master(&self) -> Result<Node, StoreError> {
        self.agreed().await.map(|(node, _)| node)
    }

    /// The same, with the connections to those who said so.
    pub(super) async fn agreed(&self) -> Result<(Node, Vec<Line>), StoreError> {
        let mut asking = JoinSet::new();
        for sentinel in &self.nodes {
            let (dialer, sentinel, name) =
                (self.dialer.clone(), sentinel.clone(), self.name.clone());
            asking.spawn(async move {
                let mut line = dialer.dial(&sentinel).await?;
                let named = ask(&mut line, &name).await?;
                RedisResult::Ok((named, line))
            });
        }
        let mut votes: Vec<(Node, Vec<Line>)> = Vec::new();
        let mut why = None;
        while let Some(answered) = asking.join_next().await {
            match answered {
                Ok(Ok((Some(named), line))) => {
                    let vote = if let Some(vote) = votes.iter().position(|(n, _)| *n == named) {
                        vote
                    } else {
                        votes.push((named, Vec::new()));
                        votes.len() - 1
                    };
                    votes[vote].1.push(line);
                    if self.is_majority(votes[vote].1.len()) {
                        return Ok(votes.swap_remove(vote));
                    }
                }
                Ok(Ok((None, _))) => why = Some(format!("it knows no master {:?}", self.name)),
                Ok(Err(error)) => why = Some(error::explain(&error).to_string()),
                Err(_) => {}
            }
        }
        let why = why.map_or_else(
            || ", they do not agree".to_owned(),
            |why| format!("; of one: {why}"),
        );
        Err(StoreError::Unreachable(format!(
            "no majority of the sentinels names a master{why}"
        )))
    }
}

/// Whom a sentinel calls the master `name`.
async fn ask(line: &mut Line, name: &str) -> RedisResult<Option<Node>> {
    let mut question = redis::cmd("SENTINEL");
    question.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let answer: Option<(String, u16)> = question.query_async(&mut line.connection).await?;
    Ok(answer.map(|(host, port)| Node { host, port }))
}
