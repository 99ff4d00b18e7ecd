//! The connections. A checkout from the pool costs two commands and a wait, so
//! none is made per operation: a lane holds one pooled connection, and each
//! operation sends over a clone of it, multiplexed with all others of the lane.
//! A thread always takes the same lane, so that lanes are not contended.
//!
//! The task that drives a connection lives on the runtime that connected it. A
//! worker's own runtime ends while the process still drains, so connections are
//! made on the one where the store was made.

use std::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use deadpool_redis::{Connection, Pool, PoolError};
use parking_lot::Mutex;
use redis::{RedisError, aio::MultiplexedConnection};
use tokio::{runtime::Handle, task::JoinSet};

use super::error;
use crate::StoreError;

pub(super) struct Lanes {
    connector: Connector,
    all: Vec<Lane>,
    connect: Duration,
}

impl Lanes {
    /// `count` lanes (at least one), connected at their first use, on the
    /// runtime that this is called in or, without one, on their first user's.
    /// Waiting for a connection ends after `connect`.
    pub(super) fn new(pool: Pool, count: usize, connect: Duration) -> Self {
        let all = (0..count.max(1)).map(|_| Lane::default()).collect();
        let home = Handle::try_current().ok();
        Self {
            connector: Connector { pool, home },
            all,
            connect,
        }
    }

    /// The connection of this thread's lane.
    pub(super) async fn connection(&self) -> Result<Held<'_>, StoreError> {
        let lane = &self.all[thread_number() % self.all.len()];
        if let Some(held) = lane.held() {
            return Ok(held);
        }
        match tokio::time::timeout(self.connect, lane.connect(&self.connector)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(StoreError::Unreachable("no connection in time".to_owned())),
        }
    }
}

struct Connector {
    pool: Pool,
    home: Option<Handle>,
}

impl Connector {
    async fn connect(&self) -> Result<Connection, StoreError> {
        let Some(home) = &self.home else {
            return from_pool(self.pool.clone()).await;
        };
        // A set of one: dropped with the wait, it gives up connecting too.
        let mut task = JoinSet::new();
        task.spawn_on(from_pool(self.pool.clone()), home);
        match task.join_next().await {
            Some(Ok(outcome)) => outcome,
            _ => Err(StoreError::Unreachable("the process is ending".to_owned())),
        }
    }
}

async fn from_pool(pool: Pool) -> Result<Connection, StoreError> {
    pool.get().await.map_err(|error| match error {
        PoolError::Backend(error) => error::explain(&error),
        other => StoreError::Unreachable(other.to_string()),
    })
}

#[derive(Default)]
struct Lane {
    current: Mutex<Current>,
    /// Held while connecting: all who wait share the connection that comes of it.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Current {
    connection: Option<Connection>,
    /// How many connections this lane has had: tells this one from its predecessors.
    number: u64,
}

impl Lane {
    fn held(&self) -> Option<Held<'_>> {
        let current = self.current.lock();
        let connection = current.connection.as_ref()?;
        let connection = AsRef::<MultiplexedConnection>::as_ref(connection).clone();
        Some(Held {
            connection,
            lane: self,
            number: current.number,
        })
    }

    async fn connect(&self, connector: &Connector) -> Result<Held<'_>, StoreError> {
        let _alone = self.connecting.lock().await;
        if let Some(held) = self.held() {
            return Ok(held);
        }
        let pooled = connector.connect().await?;
        let connection = AsRef::<MultiplexedConnection>::as_ref(&pooled).clone();
        let mut current = self.current.lock();
        current.number += 1;
        current.connection = Some(pooled);
        Ok(Held {
            connection,
            lane: self,
            number: current.number,
        })
    }

    /// Forgets connection `number`. The one that replaced it in the meantime stays.
    fn discard(&self, number: u64) {
        let mut current = self.current.lock();
        if current.number == number
            && let Some(broken) = current.connection.take()
        {
            // Taken out of the pool, so that it is not handed out again.
            drop(Connection::take(broken));
        }
    }
}

/// A lane's connection, for one operation.
pub(super) struct Held<'a> {
    pub(super) connection: MultiplexedConnection,
    lane: &'a Lane,
    number: u64,
}

impl Held<'_> {
    /// What the operation's `error` means to the caller. The connection is
    /// replaced for the next operation where the error makes it suspect.
    pub(super) fn settle(&self, error: &RedisError) -> StoreError {
        if error::is_connection_suspect(error) {
            self.lane.discard(self.number);
        }
        error::explain(error)
    }
}

/// A number of this thread's own, counted from 0 in the order of first use.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<Option<usize>> = const { Cell::new(None) };
    }
    MINE.get().unwrap_or_else(|| {
        let mine = NEXT.fetch_add(1, Ordering::Relaxed);
        MINE.set(Some(mine));
        mine
    })
}
