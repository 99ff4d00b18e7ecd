//! Limits on what clients may use of a process: connections, and bytes that are buffered
//! before a request is authenticated. Both are divided by client address, so a flood
//! displaces itself first. Both have time limits, so an idle client holds nothing.
//!
//! One process has one [`Admission`], however many services it runs. [`Connection`]
//! tracks a connection, [`Charge`] the bytes that a request has buffered.

mod bytes;
mod connection;
mod limits;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use self::{bytes::Bytes, connection::State};
pub use self::{
    bytes::{Charge, OverBudget},
    connection::{CloseReason, Connection, InFlight, Phase},
    limits::Limits,
};
use crate::{bounded_cache::BoundedCache, net::AddrBucket};

/// The minimum pause between two log lines about a full limit, in ticks.
const SAY_EVERY: u64 = 60;
/// How long an address stays marked after a client has authenticated there, in ticks.
const AUTHENTICATED_FOR: u64 = 600;
/// The maximum number of marked addresses.
const MAX_AUTHENTICATED: usize = 1024;

/// The limits of this process and their use, divided by client address.
#[derive(Clone, Debug)]
pub struct Admission(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: Limits,
    /// The time, counted up by the sweep, so that requests need not read the clock.
    tick: AtomicU64,
    /// When the log last said that there is no room.
    said: AtomicU64,
    sweeping: Semaphore,
    open: Mutex<Open>,
    bytes: Mutex<Bytes>,
    /// When a client last authenticated at an address.
    authenticated: Mutex<BoundedCache<AddrBucket, u64>>,
}

#[derive(Debug, Default)]
struct Open {
    connections: HashMap<u64, Arc<State>>,
    of: HashMap<AddrBucket, usize>,
    next: u64,
}

impl Admission {
    /// A separate one, for tests and for processes with other bounds.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Inner {
            limits,
            tick: AtomicU64::new(1),
            said: AtomicU64::new(0),
            sweeping: Semaphore::new(1),
            open: Mutex::default(),
            bytes: Mutex::default(),
            authenticated: Mutex::new(BoundedCache::new(MAX_AUTHENTICATED)),
        }))
    }

    /// The process's own.
    pub fn of_process() -> Self {
        static ONE: LazyLock<Admission> = LazyLock::new(|| Admission::new(Limits::of_process()));
        ONE.clone()
    }

    /// The bounds.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Accepts a connection from `peer`. A proxy (`is_proxy`) carries many clients,
    /// so it has no bucket. If there is no room, the longest idle connection is
    /// closed: one of the same address if that address has used up its bucket, else
    /// one of the address with the most connections. `None` if no connection is
    /// idle.
    pub fn connect(&self, peer: IpAddr, is_proxy: bool) -> Option<Connection> {
        let bucket = (!is_proxy).then(|| AddrBucket::of(peer));
        let mut open = self.0.open.lock();
        let own = bucket.map_or(0, |bucket| open.of.get(&bucket).copied().unwrap_or(0));
        if own >= self.0.limits.connections_of_one {
            self.log(
                bucket,
                "one address has too many connections: its oldest make room",
            );
            open.make_room(|state| state.bucket == bucket)?;
        } else if open.connections.len() >= self.0.limits.connections {
            let largest = open.of.iter().max_by_key(|(_, count)| **count);
            let largest = largest.map(|(bucket, _)| *bucket);
            self.log(
                largest,
                "there are too many connections: the oldest of one address make room",
            );
            open.make_room(|state| state.bucket == largest)
                .or_else(|| open.make_room(|_| true))?;
        }
        let id = open.next;
        open.next += 1;
        let state = Arc::new(State::new(bucket, self.now()));
        open.connections.insert(id, Arc::clone(&state));
        if let Some(bucket) = bucket {
            *open.of.entry(bucket).or_default() += 1;
        }
        drop(open);
        Some(Connection::new(self.clone(), id, state))
    }

    /// An empty charge, for the bytes that a request from `bucket` will buffer.
    pub fn charge(&self, bucket: AddrBucket) -> Charge {
        Charge::new(self.clone(), bucket)
    }

    /// Marks `bucket` as an address where a client has authenticated.
    pub fn mark_authenticated(&self, bucket: AddrBucket) {
        let now = self.now();
        let mut marked = self.0.authenticated.lock();
        if marked.get(&bucket) != Some(&now) {
            marked.insert(bucket, now);
        }
    }

    /// Whether a client has authenticated at `bucket` in the last minutes.
    pub fn is_authenticated(&self, bucket: AddrBucket) -> bool {
        let since = self.0.authenticated.lock().get(&bucket).copied();
        since.is_some_and(|since| self.now() - since <= AUTHENTICATED_FOR)
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.0.open.lock().connections.len()
    }

    /// How many bytes are buffered: charged to addresses, and to the reserve.
    pub fn buffered(&self) -> (usize, usize) {
        self.0.bytes.lock().used()
    }

    /// Closes connections over their time limits, once a tick, while this future is polled. Each
    /// server polls one; a semaphore lets one of them work at a time.
    pub async fn sweep(self) {
        let Ok(_turn) = self.0.sweeping.acquire().await else {
            return;
        };
        let mut ticks = tokio::time::interval(self.0.limits.tick);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.sweep_once();
        }
    }

    fn sweep_once(&self) {
        let now = self.0.tick.fetch_add(1, Relaxed) + 1;
        let open = self.0.open.lock();
        for state in open.connections.values() {
            state.end_if_overdue(now, &self.0.limits);
        }
    }

    /// Logs `what`, at most once a minute.
    fn log(&self, bucket: Option<AddrBucket>, what: &str) {
        let (now, said) = (self.now(), self.0.said.load(Relaxed));
        if said == 0 || now - said >= SAY_EVERY {
            self.0.said.store(now, Relaxed);
            let address = bucket.map(|bucket| bucket.to_string()).unwrap_or_default();
            tracing::warn!(address, "{what} (said once a minute)");
        }
    }

    fn now(&self) -> u64 {
        self.0.tick.load(Relaxed)
    }

    fn disconnect(&self, id: u64, bucket: Option<AddrBucket>) {
        let mut open = self.0.open.lock();
        open.connections.remove(&id);
        let Some(bucket) = bucket else { return };
        if let Some(count) = open.of.get_mut(&bucket) {
            *count -= 1;
            if *count == 0 {
                open.of.remove(&bucket);
            }
        }
    }

    /// Ends bodies that are awaited and charged to `bucket`, the longest awaited
    /// first, until about `wanted` bytes are free.
    fn free(&self, bucket: AddrBucket, wanted: usize) -> bool {
        let open = self.0.open.lock();
        let mut freed = 0;
        while freed < wanted {
            let Some(oldest) = open.longest_waiting(|state| state.pays(bucket)) else {
                return false;
            };
            freed += oldest.charged().max(1);
            oldest.end(CloseReason::NoRoom);
        }
        true
    }
}

impl Open {
    /// Closes the connection that is idle for longest among those that match
    /// `filter`.
    fn make_room(&self, filter: impl Fn(&State) -> bool) -> Option<()> {
        let oldest = self.longest_waiting(|state| state.is_waiting() && filter(state))?;
        oldest.end(CloseReason::Closed);
        Some(())
    }

    /// The connection that is in its phase for longest among those that match
    /// `filter`: of those since the same tick, the one that was accepted first.
    fn longest_waiting(&self, filter: impl Fn(&State) -> bool) -> Option<&State> {
        let waiting = self.connections.iter();
        let waiting = waiting.filter(|(_, state)| filter(state));
        let oldest = waiting.min_by_key(|(id, state)| (state.since(), **id));
        oldest.map(|(_, state)| &**state)
    }
}

#[cfg(test)]
mod tests;
