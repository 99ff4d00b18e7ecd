//! The connections. A checkout from the pool costs two commands and a wait, so
//! none is made per operation: a lane holds one pooled connection, and each
//! operation sends over a clone of it, multiplexed with all others of the lane.
//!
//! The task that drives a connection lives on the runtime that connected it. A
//! runtime of one thread (an HTTP worker's) has a lane of its own, driven there:
//! to wake another thread at each operation costs more than the operation. Such
//! a runtime ends while the process still drains, so nobody else uses its lane.
//! All others share a few lanes, connected on the runtime where the store was
//! made; a thread always takes the same one, so that they are not contended.

use std::{
    cell::Cell,
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use deadpool_redis::{Connection, Pool, PoolError};
use parking_lot::{Mutex, RwLock};
use redis::{RedisError, aio::MultiplexedConnection};
use tokio::{
    runtime::{Handle, Id, RuntimeFlavor},
    task::JoinSet,
};

use super::error;
use crate::StoreError;

/// The most runtimes that have a lane of their own; further ones share.
pub(super) const MAX_OWN: usize = 64;

pub(super) struct Lanes {
    pool: Pool,
    shared: Vec<Arc<Lane>>,
    /// Where those are connected.
    home: Option<Handle>,
    own: RwLock<HashMap<Id, Arc<Lane>>>,
    connect: Duration,
}

impl Lanes {
    /// `count` shared lanes (at least one). A lane is connected at its first
    /// use: a shared one on the runtime that this is called in or, without one,
    /// on its first user's. Waiting for a connection ends after `connect`.
    pub(super) fn new(pool: Pool, count: usize, connect: Duration) -> Self {
        Self {
            pool,
            shared: (0..count.max(1)).map(|_| Arc::default()).collect(),
            home: Handle::try_current().ok(),
            own: RwLock::default(),
            connect,
        }
    }

    /// The connection of this thread's lane.
    pub(super) async fn connection(&self) -> Result<Held, StoreError> {
        let (lane, home) = match self.own() {
            Some(own) => (own, None),
            None => (self.shared(), self.home.as_ref()),
        };
        if let Some(held) = lane.held() {
            return Ok(held);
        }
        match tokio::time::timeout(self.connect, lane.connect(&self.pool, home)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(StoreError::Unreachable("no connection in time".to_owned())),
        }
    }

    fn shared(&self) -> Arc<Lane> {
        self.shared[thread_number() % self.shared.len()].clone()
    }

    /// The lane of the runtime that this is called in, if it has one thread.
    fn own(&self) -> Option<Arc<Lane>> {
        let here = Handle::current();
        if here.runtime_flavor() != RuntimeFlavor::CurrentThread {
            return None;
        }
        let id = here.id();
        if let Some(lane) = self.own.read().get(&id) {
            return Some(lane.clone());
        }
        let mut own = self.own.write();
        (own.len() < MAX_OWN).then(|| own.entry(id).or_default().clone())
    }
}

/// A connection that lives on `home`, or without one, here.
async fn connect_on(home: Option<&Handle>, pool: &Pool) -> Result<Connection, StoreError> {
    let Some(home) = home else {
        return from_pool(pool.clone()).await;
    };
    // A set of one: dropped with the wait, it gives up connecting too.
    let mut task = JoinSet::new();
    task.spawn_on(from_pool(pool.clone()), home);
    match task.join_next().await {
        Some(Ok(outcome)) => outcome,
        _ => Err(StoreError::Unreachable("the process is ending".to_owned())),
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
    fn held(self: &Arc<Self>) -> Option<Held> {
        let current = self.current.lock();
        let connection = current.connection.as_ref()?;
        let connection = AsRef::<MultiplexedConnection>::as_ref(connection).clone();
        Some(Held {
            connection,
            lane: self.clone(),
            number: current.number,
        })
    }

    async fn connect(
        self: &Arc<Self>,
        pool: &Pool,
        home: Option<&Handle>,
    ) -> Result<Held, StoreError> {
        let _alone = self.connecting.lock().await;
        if let Some(held) = self.held() {
            return Ok(held);
        }
        let pooled = connect_on(home, pool).await?;
        let connection = AsRef::<MultiplexedConnection>::as_ref(&pooled).clone();
        let mut current = self.current.lock();
        current.number += 1;
        current.connection = Some(pooled);
        Ok(Held {
            connection,
            lane: self.clone(),
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
pub(super) struct Held {
    pub(super) connection: MultiplexedConnection,
    lane: Arc<Lane>,
    number: u64,
}

impl Held {
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
