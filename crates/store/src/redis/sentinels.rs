//! The master that a majority of the sentinels names.
//!
//! `redis::sentinel`, and with it the Sentinel manager of `deadpool-redis`, takes
//! the word of the first sentinel that answers. A sentinel that is cut off from
//! the others goes on naming the old master, so this module asks all of them and
//! requires a majority: any two majorities share a sentinel. The connections to the
//! master that they named are `deadpool-redis`'s ([`Server`]).

use std::sync::Arc;

use parking_lot::Mutex;
use redis::{RedisResult, aio::MultiplexedConnection};
use tokio::task::JoinSet;

use super::{
    address::Node,
    connections::Target,
    connector::Connector,
    error,
    server::{Role, Server, ServerConnection},
};
use crate::StoreError;

/// The sentinels of the URL, and the master that they named last.
pub(super) struct Sentinels {
    connector: Connector,
    nodes: Vec<Node>,
    /// The master's name.
    name: String,
    /// How the master is reached, and by how many connections.
    servers: (Connector, usize),
    master: Mutex<Master>,
}

#[derive(Default)]
struct Master {
    server: Option<Arc<Server>>,
    /// How often it was decided who is the master.
    decisions: u64,
}

impl Sentinels {
    /// The sentinels at `nodes`, reached by `connector`, for the master `name`.
    pub(super) fn new(
        connector: Connector,
        nodes: Vec<Node>,
        name: String,
        servers: (Connector, usize),
    ) -> Self {
        Self {
            connector,
            nodes,
            name,
            servers,
            master: Mutex::default(),
        }
    }

    /// Whether `count` sentinels are a majority.
    pub(super) fn is_majority(&self, count: usize) -> bool {
        count > self.nodes.len() / 2
    }

    /// The server that a majority calls master, and the connections to the
    /// sentinels that said so.
    pub(super) async fn ask(&self) -> Result<(Node, Vec<MultiplexedConnection>), StoreError> {
        let mut asking = JoinSet::new();
        for sentinel in &self.nodes {
            let (connector, sentinel) = (self.connector.clone(), sentinel.clone());
            let name = self.name.clone();
            asking.spawn(async move {
                let mut connection = connector.connect(&sentinel).await?;
                let named = master_of(&mut connection, &name).await?;
                RedisResult::Ok((named, connection))
            });
        }
        let mut votes: Vec<(Node, Vec<MultiplexedConnection>)> = Vec::new();
        let mut why = None;
        while let Some(answered) = asking.join_next().await {
            match answered {
                Ok(Ok((Some(named), connection))) => {
                    let known = votes.iter().position(|(node, _)| *node == named);
                    let vote = known.unwrap_or_else(|| {
                        votes.push((named, Vec::new()));
                        votes.len() - 1
                    });
                    votes[vote].1.push(connection);
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
            |why| format!("; one of them: {why}"),
        );
        Err(StoreError::Unreachable(format!(
            "no majority of the sentinels names a master{why}"
        )))
    }

    /// Whether the sentinel behind `connection` calls `node` the master.
    pub(super) async fn names(&self, connection: &mut MultiplexedConnection, node: &Node) -> bool {
        matches!(master_of(connection, &self.name).await, Ok(Some(named)) if named == *node)
    }

    /// From now on connections lead to `node` alone, which a majority has just
    /// named, until a later question names another server.
    pub(super) fn lead_to(&self, node: &Node) -> Result<(), StoreError> {
        self.decide(node, &mut self.master.lock()).map(drop)
    }

    fn decide(&self, node: &Node, master: &mut Master) -> Result<Arc<Server>, StoreError> {
        master.decisions += 1;
        if let Some(server) = &master.server
            && server.node() == node
        {
            return Ok(Arc::clone(server));
        }
        let (connector, size) = &self.servers;
        let server = Arc::new(Server::new(connector, node, Role::Master, *size)?);
        if let Some(old) = master.server.replace(Arc::clone(&server)) {
            old.retire();
        }
        Ok(server)
    }
}

impl Target for Sentinels {
    type Pooled = ServerConnection;

    async fn connect(self: &Arc<Self>) -> Result<ServerConnection, StoreError> {
        let begun = self.master.lock().decisions;
        let (node, _) = self.ask().await?;
        let server = {
            let mut master = self.master.lock();
            let known = master.server.as_ref();
            if let Some(server) = known.filter(|server| *server.node() == node) {
                Arc::clone(server)
            } else if master.decisions == begun {
                self.decide(&node, &mut master)?
            } else {
                // The answers may be older than what was decided meanwhile.
                let changed = "the master has changed meanwhile";
                return Err(StoreError::Unreachable(changed.to_owned()));
            }
        };
        server.connect().await
    }
}

/// The server that a sentinel calls the master `name`.
async fn master_of(
    connection: &mut MultiplexedConnection,
    name: &str,
) -> RedisResult<Option<Node>> {
    let mut question = redis::cmd("SENTINEL");
    question.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let answer: Option<(String, u16)> = question.query_async(connection).await?;
    Ok(answer.map(|(host, port)| Node { host, port }))
}
