//! The connections with one server. A lane holds one, and each operation sends
//! over a clone of it, multiplexed with all others of the lane.
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
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};
use redis::RedisError;
use tokio::{
    runtime::{Handle, Id, RuntimeFlavor},
    task::JoinSet,
};

use super::{address::Node, dial::Line, error, target::Target};
use crate::StoreError;

/// The most runtimes that have a lane of their own; further ones share.
const MAX_OWN: usize = 64;

pub(super) struct Lanes {
    target: Arc<Target>,
    shared: Vec<Arc<Lane>>,
    own: RwLock<HashMap<Id, Arc<Lane>>>,
    layout: Layout,
}

/// What all lanes of a store have in common.
#[derive(Clone)]
pub(super) struct Layout {
    /// How many lanes are shared (at least one).
    pub(super) shared: usize,
    /// Where those are connected; without it, on their first user's runtime.
    pub(super) home: Option<Handle>,
    /// How long an operation waits for a connection.
    pub(super) connect: Duration,
}

impl Lanes {
    /// Each lane is connected to `target` at its first use.
    pub(super) fn new(target: Target, layout: Layout) -> Self {
        Self {
            target: Arc::new(target),
            shared: (0..layout.shared.max(1)).map(|_| Arc::default()).collect(),
            own: RwLock::default(),
            layout,
        }
    }

    /// The connection of this thread's lane.
    pub(super) async fn connection(&self) -> Result<Held, StoreError> {
        let (lane, home) = match self.own() {
            Some(own) => (own, None),
            None => (self.shared(), self.layout.home.as_ref()),
        };
        if let Some(held) = lane.held() {
            return Ok(held);
        }
        match tokio::time::timeout(self.layout.connect, lane.connect(&self.target, home)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(StoreError::Unreachable("no connection in time".to_owned())),
        }
    }

    /// Whether this thread's lane has a connection.
    #[cfg(test)]
    pub(super) fn is_connected(&self) -> bool {
        self.own().unwrap_or_else(|| self.shared()).held().is_some()
    }

    /// Where the lanes lead.
    pub(super) fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// From now on no lane leads to another server than `node`, unless a later
    /// question to the sentinels says so.
    pub(super) fn lead_only_to(&self, node: &Node) {
        self.target.vouch_for(node);
        for lane in self.shared.iter().chain(self.own.read().values()) {
            lane.leave_others(node);
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
async fn connect_on(
    home: Option<&Handle>,
    target: &Arc<Target>,
) -> Result<(Line, Node), StoreError> {
    let Some(home) = home else {
        return target.connect().await;
    };
    // A set of one: dropped with the wait, it gives up connecting too.
    let mut task = JoinSet::new();
    let target = Arc::clone(target);
    task.spawn_on(async move { target.connect().await }, home);
    match task.join_next().await {
        Some(Ok(outcome)) => outcome,
        _ => Err(StoreError::Unreachable("the process is ending".to_owned())),
    }
}

#[derive(Default)]
struct Lane {
    current: Mutex<Current>,
    /// Held while connecting: all who wait share what comes of it. Its content is
    /// when the last try failed, and why.
    connecting: tokio::sync::Mutex<Option<(Instant, StoreError)>>,
}

#[derive(Default)]
struct Current {
    line: Option<(Line, Node)>,
    /// How many connections this lane has had: tells this one from its predecessors.
    number: u64,
}

impl Lane {
    fn held(self: &Arc<Self>) -> Option<Held> {
        let current = self.current.lock();
        let (line, _) = current.line.as_ref()?;
        // A change would not be sent again. One that is lost has been so since
        // nobody used it: a restart, a failover.
        if line.is_lost() {
            return None;
        }
        Some(Held {
            line: line.clone(),
            lane: self.clone(),
            number: current.number,
        })
    }

    async fn connect(
        self: &Arc<Self>,
        target: &Arc<Target>,
        home: Option<&Handle>,
    ) -> Result<Held, StoreError> {
        let begun = Instant::now();
        let mut failed = self.connecting.lock().await;
        if let Some(held) = self.held() {
            return Ok(held);
        }
        if let Some((at, error)) = &*failed
            && *at >= begun
        {
            // Who waited does not try the same again, one after the other.
            return Err(error.clone());
        }
        let turn = target.turn();
        let connected = connect_on(home, target).await;
        let (line, node) = connected.inspect_err(|error| {
            *failed = Some((Instant::now(), error.clone()));
        })?;
        let mut current = self.current.lock();
        if !target.may_lead_to(&node, turn) {
            let changed = "the master has changed meanwhile";
            return Err(StoreError::Unreachable(changed.to_owned()));
        }
        current.number += 1;
        current.line = Some((line.clone(), node));
        Ok(Held {
            line,
            lane: self.clone(),
            number: current.number,
        })
    }

    /// Forgets connection `number`. The one that replaced it in the meantime stays.
    fn discard(&self, number: u64) {
        let mut current = self.current.lock();
        if current.number == number {
            current.line = None;
        }
    }

    fn leave_others(&self, node: &Node) {
        let mut current = self.current.lock();
        if current.line.as_ref().is_some_and(|(_, at)| at != node) {
            current.line = None;
        }
    }
}

/// A lane's connection, for one operation.
pub(super) struct Held {
    pub(super) line: Line,
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
