//! The connections that commands are sent over. A slot holds one, and each command
//! goes over a clone of it, multiplexed with all others of the slot.
//!
//! The task that drives a connection runs on the runtime that connected it. A
//! runtime of one thread (an HTTP worker's) has a slot of its own, driven there:
//! waking another thread for each command costs more than the command. Such a
//! runtime ends while the process still drains, so nobody else uses its slot. All
//! other runtimes share a few slots, connected on the runtime where the store was
//! made. A thread always takes the same one, so that threads do not contend.

use std::{
    cell::Cell,
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};
use redis::{FromRedisValue, RedisError, aio::ConnectionLike};
use tokio::{
    runtime::{Handle, Id, RuntimeFlavor},
    task::JoinSet,
};

use super::{call::Call, error};
use crate::StoreError;

/// The most runtimes that have a slot of their own; further ones share.
const MAX_OWN: usize = 64;

/// What connections lead to.
pub(super) trait Target: Send + Sync + 'static {
    type Pooled: Pooled;

    /// A new connection, whose task runs on the current runtime.
    fn connect(self: &Arc<Self>) -> impl Future<Output = Result<Self::Pooled, StoreError>> + Send;
}

/// What a slot holds.
pub(super) trait Pooled: Send + 'static {
    type Connection: ConnectionLike + Send;

    /// A clone to send a command over. `None`: it must be replaced first. A change
    /// is never sent twice, so a loss that is known is better noticed before.
    fn connection(&self) -> Option<Self::Connection>;

    /// Whether a command's `error` means that it must be replaced.
    fn is_lost(&self, error: &RedisError) -> bool {
        error::is_connection_suspect(error)
    }
}

/// All slots that lead to one target.
pub(super) struct Connections<T: Target> {
    target: Arc<T>,
    shared: Vec<Arc<Slot<T::Pooled>>>,
    own: RwLock<HashMap<Id, Arc<Slot<T::Pooled>>>>,
    layout: Layout,
}

/// How many slots there are, and where they live.
#[derive(Clone)]
pub(super) struct Layout {
    /// How many slots are shared (at least one).
    pub(super) shared: usize,
    /// Where those are connected. `None`: on the runtime of their first user.
    pub(super) home: Option<Handle>,
    /// How long a command waits for a connection.
    pub(super) connect: Duration,
}

impl Layout {
    /// How many slots there can be.
    pub(super) fn size(&self) -> usize {
        self.shared.max(1) + MAX_OWN
    }
}

impl<T: Target> Connections<T> {
    /// Each slot connects to `target` at its first use.
    pub(super) fn new(target: T, layout: Layout) -> Self {
        Self {
            target: Arc::new(target),
            shared: (0..layout.shared.max(1)).map(|_| Arc::default()).collect(),
            own: RwLock::default(),
            layout,
        }
    }

    pub(super) const fn target(&self) -> &Arc<T> {
        &self.target
    }

    /// Makes `call` over what `route` makes of this thread's connection. A read is
    /// sent once more where the connection turns out to be closed.
    pub(super) async fn run<V, R>(
        &self,
        call: &Call<'_>,
        route: impl Fn(Connection<T>) -> R,
    ) -> Result<V, StoreError>
    where
        V: FromRedisValue,
        R: ConnectionLike + Send,
    {
        let mut may_repeat = call.is_read();
        loop {
            let (connection, lease) = self.lease().await?;
            let error = match call.send(&mut route(connection)).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            lease.release(&error);
            if !(may_repeat && error.is_connection_dropped()) {
                return Err(error::explain(&error));
            }
            may_repeat = false;
        }
    }

    /// The connection of this thread's slot.
    async fn lease(&self) -> Result<(Connection<T>, Lease<T::Pooled>), StoreError> {
        let (slot, home) = match self.own() {
            Some(own) => (own, None),
            None => (self.shared(), self.layout.home.as_ref()),
        };
        if let Some(leased) = slot.lease() {
            return Ok(leased);
        }
        match tokio::time::timeout(self.layout.connect, slot.connect(&self.target, home)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(late()),
        }
    }

    /// Whether this thread's slot has a connection.
    #[cfg(test)]
    pub(super) fn is_connected(&self) -> bool {
        let slot = self.own().unwrap_or_else(|| self.shared());
        slot.lease().is_some()
    }

    fn shared(&self) -> Arc<Slot<T::Pooled>> {
        self.shared[thread_number() % self.shared.len()].clone()
    }

    /// The slot of the current runtime, if that has one thread.
    fn own(&self) -> Option<Arc<Slot<T::Pooled>>> {
        let here = Handle::current();
        if here.runtime_flavor() != RuntimeFlavor::CurrentThread {
            return None;
        }
        let id = here.id();
        if let Some(slot) = self.own.read().get(&id) {
            return Some(slot.clone());
        }
        let mut own = self.own.write();
        (own.len() < MAX_OWN).then(|| own.entry(id).or_default().clone())
    }
}

type Connection<T> = <<T as Target>::Pooled as Pooled>::Connection;

/// A connection whose task runs on `home`, or without one on the current runtime.
async fn connect_on<T: Target>(
    home: Option<&Handle>,
    target: &Arc<T>,
) -> Result<T::Pooled, StoreError> {
    let Some(home) = home else {
        return target.connect().await;
    };
    // A set of one: dropping it stops the attempt too.
    let mut task = JoinSet::new();
    let target = Arc::clone(target);
    task.spawn_on(async move { target.connect().await }, home);
    match task.join_next().await {
        Some(Ok(outcome)) => outcome,
        _ => Err(StoreError::Unreachable("the process is ending".to_owned())),
    }
}

struct Slot<P> {
    current: Mutex<Current<P>>,
    /// Held while connecting, so that all who wait share one attempt: when the
    /// last one failed, and why.
    connecting: tokio::sync::Mutex<Option<(Instant, StoreError)>>,
}

struct Current<P> {
    pooled: Option<P>,
    /// Tells the connection from the ones before it.
    number: u64,
}

impl<P> Default for Slot<P> {
    fn default() -> Self {
        Self {
            current: Mutex::new(Current {
                pooled: None,
                number: 0,
            }),
            connecting: tokio::sync::Mutex::default(),
        }
    }
}

impl<P: Pooled> Slot<P> {
    fn lease(self: &Arc<Self>) -> Option<(P::Connection, Lease<P>)> {
        let current = self.current.lock();
        let connection = current.pooled.as_ref()?.connection()?;
        let lease = Lease {
            slot: self.clone(),
            number: current.number,
        };
        Some((connection, lease))
    }

    async fn connect<T: Target<Pooled = P>>(
        self: &Arc<Self>,
        target: &Arc<T>,
        home: Option<&Handle>,
    ) -> Result<(P::Connection, Lease<P>), StoreError> {
        let begun = Instant::now();
        let mut failed = self.connecting.lock().await;
        if let Some(leased) = self.lease() {
            return Ok(leased);
        }
        if let Some((at, error)) = &*failed
            && *at >= begun
        {
            // Whoever waited shares the failure, and does not try the same again.
            return Err(error.clone());
        }
        let connected = connect_on(home, target).await;
        let pooled = connected.inspect_err(|error| {
            *failed = Some((Instant::now(), error.clone()));
        })?;
        {
            let mut current = self.current.lock();
            current.number += 1;
            current.pooled = Some(pooled);
        }
        let lost = || StoreError::Unreachable("the new connection was lost".to_owned());
        self.lease().ok_or_else(lost)
    }
}

/// The use of a slot's connection for one command.
struct Lease<P> {
    slot: Arc<Slot<P>>,
    number: u64,
}

impl<P: Pooled> Lease<P> {
    /// Drops the connection if the command's `error` means that it is lost. A
    /// connection that has replaced it meanwhile stays.
    fn release(self, error: &RedisError) {
        let mut current = self.slot.current.lock();
        if current.number == self.number {
            current.pooled.take_if(|pooled| pooled.is_lost(error));
        }
    }
}

/// No connection was made in time.
pub(super) fn late() -> StoreError {
    StoreError::Unreachable("no connection in time".to_owned())
}

/// This thread's number, counted from 0 in the order of first use.
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

#[cfg(test)]
mod tests {
    use redis::aio::MultiplexedConnection;

    use super::*;

    /// A server that refuses connections, and counts them.
    #[derive(Default)]
    struct Refusing(AtomicUsize);

    struct NoConnection;

    impl Pooled for NoConnection {
        type Connection = MultiplexedConnection;

        fn connection(&self) -> Option<MultiplexedConnection> {
            None
        }
    }

    impl Target for Refusing {
        type Pooled = NoConnection;

        async fn connect(self: &Arc<Self>) -> Result<NoConnection, StoreError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Err(StoreError::Unreachable("refused".to_owned()))
        }
    }

    #[tokio::test]
    async fn operations_that_wait_for_one_connection_attempt_share_its_failure() {
        let layout = Layout {
            shared: 1,
            home: None,
            connect: Duration::from_secs(10),
        };
        let connections = Connections::new(Refusing::default(), layout);
        let call = async || {
            let call = Call::ping();
            connections.run::<String, _>(&call, |server| server).await
        };
        let (one, other) = tokio::join!(call(), call());
        assert_eq!(one, other);
        assert!(one.is_err());
        assert_eq!(connections.target().0.load(Ordering::Relaxed), 1);
    }
}
