//! One server: `deadpool-redis` makes, checks and counts the connections to it.
//!
//! A slot keeps its connection and sends every command over clones of it, so a
//! command costs no checkout and no PING. The pool never hands a connection out a
//! second time: the first error ends it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use deadpool_redis::{Hook, HookError, Manager, Pool, PoolConfig, PoolError, Runtime, Timeouts};
use redis::{
    PushInfo, PushKind, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection, SendError},
};

use super::{
    address::Node,
    connections::{self, Pooled, Target},
    connector::Connector,
    error,
};
use crate::StoreError;

/// A server, and the pool of connections to it.
pub(super) struct Server {
    node: Node,
    pool: Pool,
    /// Changes when a connection was lost or the server is no longer wanted: the
    /// connections made before are not used again.
    epoch: Arc<AtomicUsize>,
}

/// Which role a new connection must find.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Any: the URL names this server.
    Any,
    /// The sentinels call it master: it must call itself so.
    Master,
}

impl Server {
    /// The server at `node`, with at most `size` connections.
    pub(super) fn new(
        connector: &Connector,
        node: &Node,
        role: Role,
        size: usize,
    ) -> Result<Self, StoreError> {
        let epoch = Arc::new(AtomicUsize::new(0));
        let lost = Arc::clone(&epoch);
        let config = connector.config().set_push_sender(move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                lost.fetch_add(1, SeqCst);
            }
            Ok::<_, SendError>(())
        });
        let manager = Manager::new_with_config(connector.info(node), config);
        let manager = manager.map_err(|error| error::explain(&error))?;
        let mut builder = Pool::builder(manager)
            .runtime(Runtime::Tokio1)
            .config(PoolConfig {
                timeouts: Timeouts {
                    wait: Some(connector.connect_timeout()),
                    create: Some(connector.connect_timeout()),
                    recycle: Some(connector.response_timeout()),
                },
                ..PoolConfig::new(size)
            });
        if role == Role::Master {
            builder = builder.post_create(Hook::async_fn(|connection, _| {
                Box::pin(async move {
                    match is_master(connection).await {
                        Ok(true) => Ok(()),
                        Ok(false) => Err(HookError::message(NO_MASTER)),
                        Err(error) => Err(HookError::Backend(error)),
                    }
                })
            }));
        }
        let pool = builder.build();
        Ok(Self {
            node: node.clone(),
            pool: pool.map_err(|error| StoreError::Refused(error.to_string()))?,
            epoch,
        })
    }

    pub(super) const fn node(&self) -> &Node {
        &self.node
    }

    /// Ends the use of every connection to it.
    pub(super) fn retire(&self) {
        self.epoch.fetch_add(1, SeqCst);
        self.pool.close();
    }
}

/// Why a server that the sentinels name is not used.
pub(super) const NO_MASTER: &str = "the server that the sentinels name is no master now";

/// Whether the server calls itself a master.
pub(super) async fn is_master(connection: &mut impl ConnectionLike) -> RedisResult<bool> {
    let role: Vec<Value> = redis::cmd("ROLE").query_async(connection).await?;
    Ok(matches!(role.first(), Some(Value::BulkString(role)) if role == b"master"))
}

impl Target for Server {
    type Pooled = ServerConnection;

    async fn connect(self: &Arc<Self>) -> Result<ServerConnection, StoreError> {
        let made_in = self.epoch.load(SeqCst);
        let connection = self.pool.get().await.map_err(|error| explain(&error))?;
        Ok(ServerConnection {
            connection: Some(connection),
            made_in,
            epoch: Arc::clone(&self.epoch),
        })
    }
}

fn explain(error: &PoolError) -> StoreError {
    match error {
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
            error::explain(error)
        }
        PoolError::Timeout(_) => connections::late(),
        PoolError::PostCreateHook(HookError::Message(why)) => {
            StoreError::Unreachable(why.to_string())
        }
        PoolError::Closed | PoolError::NoRuntimeSpecified => {
            StoreError::Unreachable("the master has changed meanwhile".to_owned())
        }
    }
}

/// A pooled connection that a slot holds.
pub(super) struct ServerConnection {
    /// `None` while it is dropped.
    connection: Option<deadpool_redis::Connection>,
    made_in: usize,
    epoch: Arc<AtomicUsize>,
}

impl Pooled for ServerConnection {
    type Connection = MultiplexedConnection;

    fn connection(&self) -> Option<MultiplexedConnection> {
        let connection = self.connection.as_deref()?;
        (self.epoch.load(SeqCst) == self.made_in).then(|| connection.clone())
    }
}

impl Drop for ServerConnection {
    /// Takes it out of the pool for good.
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(deadpool_redis::Connection::take(connection));
        }
    }
}
