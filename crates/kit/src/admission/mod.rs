//! What strangers may hold of a process: connections, and bytes that are
//! buffered before anybody is known. Both are shared out by client address, so
//! that a flood takes its own place first; both have an end in time, so that
//! nothing is held by doing nothing.
//!
//! One process has one [`Admission`], however many services it runs. What a
//! connection does is in [`Connection`], what a request has buffered in [`Charge`].

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
    bytes::{Charge, Full},
    connection::{Connection, Ended, Phase, UnderWay},
    limits::Limits,
};
use crate::net::AddrBucket;

/// How often the log is told that there is no room, in ticks.
const SAY_EVERY: u64 = 60;
/// How long an address at which a client has authenticated is remembered, in ticks.
const KNOWN_FOR: u64 = 600;
/// The most such addresses.
const MAX_KNOWN: usize = 1024;

/// What this process has to share out.
#[derive(Clone, Debug)]
pub struct Admission(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: Limits,
    /// Counted up by the sweep: the time of everything here, without a look at
    /// the clock at each request.
    tick: AtomicU64,
    /// When the log was told last that there is no room.
    said: AtomicU64,
    sweeping: Semaphore,
    open: Mutex<Open>,
    bytes: Mutex<Bytes>,
    /// Where clients have authenticated, and when they last did.
    known: Mutex<HashMap<AddrBucket, u64>>,
}

#[derive(Debug, Default)]
struct Open {
    connections: HashMap<u64, Arc<State>>,
    of: HashMap<AddrBucket, usize>,
    next: u64,
}

impl Admission {
    /// Of its own, for tests and for processes with other bounds.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Inner {
            limits,
            tick: AtomicU64::new(1),
            said: AtomicU64::new(0),
            sweeping: Semaphore::new(1),
            open: Mutex::default(),
            bytes: Mutex::default(),
            known: Mutex::default(),
        }))
    }

    /// The one of this process.
    pub fn of_process() -> Self {
        static ONE: LazyLock<Admission> = LazyLock::new(|| Admission::new(Limits::of_process()));
        ONE.clone()
    }

    /// The bounds.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Takes a connection from `peer`; `is_proxy` where many clients come by it,
    /// so that it has no share of its own. Where there is no room, the one that has
    /// waited for the longest makes some: one of the same address where its share
    /// is used up, else one of the address that has the most. `None` where
    /// nothing waits.
    pub fn connect(&self, peer: IpAddr, is_proxy: bool) -> Option<Connection> {
        let share = (!is_proxy).then(|| AddrBucket::of(peer));
        let mut open = self.0.open.lock();
        let own = share.map_or(0, |share| open.of.get(&share).copied().unwrap_or(0));
        if own >= self.0.limits.connections_of_one {
            self.say(
                share,
                "one address has too many connections: its oldest make room",
            );
            open.make_room(|state| state.share == share)?;
        } else if open.connections.len() >= self.0.limits.connections {
            let largest = open.of.iter().max_by_key(|(_, count)| **count);
            let largest = largest.map(|(share, _)| *share);
            self.say(
                largest,
                "there are too many connections: the oldest of one address make room",
            );
            open.make_room(|state| state.share == largest)
                .or_else(|| open.make_room(|_| true))?;
        }
        let id = open.next;
        open.next += 1;
        let state = Arc::new(State::new(share, self.now()));
        open.connections.insert(id, Arc::clone(&state));
        if let Some(share) = share {
            *open.of.entry(share).or_default() += 1;
        }
        drop(open);
        Some(Connection::new(self.clone(), id, state))
    }

    /// A charge for what a request of `share` buffers, nothing so far.
    pub fn charge(&self, share: AddrBucket) -> Charge {
        Charge::new(self.clone(), share)
    }

    /// A client at `share` has authenticated.
    pub fn remember(&self, share: AddrBucket) {
        let now = self.now();
        let mut known = self.0.known.lock();
        if known.len() >= MAX_KNOWN && !known.contains_key(&share) {
            known.retain(|_, since| now - *since <= KNOWN_FOR);
            if known.len() >= MAX_KNOWN {
                return;
            }
        }
        known.insert(share, now);
    }

    /// Whether one has in the last minutes.
    pub fn remembers(&self, share: AddrBucket) -> bool {
        let since = self.0.known.lock().get(&share).copied();
        since.is_some_and(|since| self.now() - since <= KNOWN_FOR)
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.0.open.lock().connections.len()
    }

    /// How many bytes are buffered: for strangers, and from the reserve.
    pub fn buffered(&self) -> (usize, usize) {
        self.0.bytes.lock().used()
    }

    /// Ends what has taken too long, again and again, for as long as it is polled.
    /// Each server does, and one of them at a time works: a tick is one tick.
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

    /// Says so in the log, once a minute.
    fn say(&self, share: Option<AddrBucket>, what: &str) {
        let (now, said) = (self.now(), self.0.said.load(Relaxed));
        if said == 0 || now - said >= SAY_EVERY {
            self.0.said.store(now, Relaxed);
            let address = share.map(|share| share.to_string()).unwrap_or_default();
            tracing::warn!(address, "{what} (said once a minute)");
        }
    }

    fn now(&self) -> u64 {
        self.0.tick.load(Relaxed)
    }

    fn disconnect(&self, id: u64, share: Option<AddrBucket>) {
        let mut open = self.0.open.lock();
        open.connections.remove(&id);
        let Some(share) = share else { return };
        if let Some(count) = open.of.get_mut(&share) {
            *count -= 1;
            if *count == 0 {
                open.of.remove(&share);
            }
        }
    }

    /// Ends bodies that are waited for and paid by `share`, those that have waited
    /// for the longest first, until about `wanted` bytes come free.
    fn free(&self, share: AddrBucket, wanted: usize) -> bool {
        let open = self.0.open.lock();
        let mut freed = 0;
        while freed < wanted {
            let waiting = open.connections.values();
            let waiting = waiting.filter(|state| state.pays(share));
            let Some(oldest) = waiting.min_by_key(|state| state.since()) else {
                return false;
            };
            freed += oldest.charged().max(1);
            oldest.end(Ended::NoRoom);
        }
        true
    }
}

impl Open {
    /// Ends the connection that has waited for the longest of those that are `meant`.
    fn make_room(&self, meant: impl Fn(&State) -> bool) -> Option<()> {
        let waiting = self.connections.values();
        let waiting = waiting.filter(|state| state.waits() && meant(state));
        let oldest = waiting.min_by_key(|state| state.since())?;
        oldest.end(Ended::Closed);
        Some(())
    }
}

#[cfg(test)]
mod tests;
