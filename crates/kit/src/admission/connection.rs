//! One connection: what it is at, for how long, and whether it has to end.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Poll, Waker},
};

use futures_util::task::AtomicWaker;

use super::{Admission, Limits};
use crate::net::AddrBucket;

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Nothing of a request is there.
    Idle,
    /// A part of a head has come.
    Head,
    /// A body is waited for.
    Body,
    /// A request is answered.
    Busy,
    /// A request was answered before all of it was read; what still comes is thrown away.
    Drain,
}

/// Why a connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Ended {
    /// The body came too slowly: there is time for an answer.
    TooSlow = 1,
    /// Others need the bytes that its body has taken: there is time for an answer.
    NoRoom,
    /// At once.
    Closed,
}

/// A connection's own side of what [`Admission`] knows of it.
#[derive(Debug)]
pub struct Connection {
    admission: Admission,
    id: u64,
    state: Arc<State>,
}

/// Shared with the sweep. Only the connection's own task writes most of it, and
/// whoever reads it can live with what it was a moment ago.
#[derive(Debug)]
pub(super) struct State {
    /// Whose it is; of nobody where it is a proxy's.
    pub(super) share: Option<AddrBucket>,
    /// Requests under way.
    under_way: AtomicUsize,
    phase: AtomicU8,
    bounds_calls: AtomicBool,
    is_held: AtomicBool,
    since: AtomicU64,
    ended: AtomicU8,
    /// Of the body that is being read: who pays, how much, how much has come.
    payer: parking_lot::Mutex<Option<AddrBucket>>,
    charged: AtomicUsize,
    received: AtomicU64,
    /// Since when an answer is stuck (0: it is not), and what was taken since.
    stuck_since: AtomicU64,
    taken: AtomicU64,
    waker: AtomicWaker,
}

/// A request under way, until it is dropped.
#[derive(Debug)]
pub struct UnderWay(Arc<Connection>);

impl Connection {
    pub(super) fn new(admission: Admission, id: u64, state: Arc<State>) -> Self {
        Self {
            admission,
            id,
            state,
        }
    }

    /// What it is at.
    pub fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// A request begins to be answered.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        self.state.under_way.fetch_add(1, Relaxed);
        // Of several at once the oldest counts, until one ends.
        if self.phase() != Phase::Busy {
            self.is_at(Phase::Busy);
        }
        UnderWay(Arc::clone(self))
    }

    /// Its calls have a deadline: it carries many of them, and none of its own
    /// reading says when one stalls.
    pub fn bounds_calls(&self) {
        self.state.bounds_calls.store(true, Relaxed);
    }

    /// It is at `phase` from now on.
    pub fn is_at(&self, phase: Phase) {
        self.state.since.store(self.admission.now(), Relaxed);
        self.state.phase.store(phase as u8, Relaxed);
    }

    /// A body is waited for, for which `payer` has been charged `charged` bytes
    /// so far.
    pub fn waits_for_body(&self, payer: Option<AddrBucket>, charged: usize) {
        self.state.charged.store(charged, Relaxed);
        if self.phase() != Phase::Body {
            *self.state.payer.lock() = payer;
            self.state.received.store(0, Relaxed);
            self.is_at(Phase::Body);
        }
    }

    /// So many bytes of the body have come.
    pub fn received(&self, bytes: usize) {
        self.state.received.fetch_add(bytes as u64, Relaxed);
    }

    /// An answer cannot be written on.
    pub fn is_stuck(&self) {
        if self.state.stuck_since.load(Relaxed) == 0 {
            self.state.taken.store(0, Relaxed);
            let now = self.admission.now();
            self.state.stuck_since.store(now, Relaxed);
        }
    }

    /// So many bytes of it were taken.
    pub fn wrote(&self, bytes: usize) {
        if self.state.stuck_since.load(Relaxed) != 0 {
            self.state.taken.fetch_add(bytes as u64, Relaxed);
        }
    }

    /// What came of an attempt to write to its socket.
    pub fn polled_write(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(Ok(bytes)) => self.wrote(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.is_stuck(),
        }
    }

    /// An error where the connection has to end now.
    pub fn check(&self) -> io::Result<()> {
        if self.is_over() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    /// All of it was taken.
    pub fn is_flushed(&self) {
        if self.state.stuck_since.load(Relaxed) != 0 {
            self.state.stuck_since.store(0, Relaxed);
        }
    }

    /// Whether it has to end, and why.
    pub fn ended(&self) -> Option<Ended> {
        self.state.ended()
    }

    /// Whether it has to end now, without an answer.
    pub fn is_over(&self) -> bool {
        match self.ended() {
            None => false,
            Some(Ended::Closed) => true,
            Some(_) => matches!(self.phase(), Phase::Idle | Phase::Head),
        }
    }

    /// Gives the connection up.
    pub fn give_up(&self) {
        self.state.end(Ended::Closed);
    }

    /// What room is shared out by.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Whose connection it is; of nobody where it is a proxy's.
    pub fn share(&self) -> Option<AddrBucket> {
        self.state.share
    }

    /// Who is to be woken when it has to end.
    pub fn wake(&self, waker: &Waker) {
        self.state.waker.register(waker);
    }

    /// Something is left with the client that nobody will be told of again.
    pub fn hold(&self) {
        self.state.is_held.store(true, Relaxed);
    }

    /// What was left may come now: wakes whoever was named last.
    pub fn go_on(&self) {
        if self.state.is_held.load(Relaxed) {
            self.state.is_held.store(false, Relaxed);
            self.state.waker.wake();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.admission.disconnect(self.id, self.state.share);
    }
}

impl UnderWay {
    /// The connection.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.0
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let left = self.0.state.under_way.fetch_sub(1, Relaxed) - 1;
        let next = match self.0.phase() {
            Phase::Drain => Phase::Drain,
            _ if left == 0 => Phase::Idle,
            _ => Phase::Busy,
        };
        self.0.is_at(next);
        self.0.go_on();
    }
}

impl State {
    pub(super) fn new(share: Option<AddrBucket>, now: u64) -> Self {
        Self {
            share,
            under_way: AtomicUsize::new(0),
            phase: AtomicU8::new(Phase::Idle as u8),
            bounds_calls: AtomicBool::new(false),
            is_held: AtomicBool::new(false),
            since: AtomicU64::new(now),
            ended: AtomicU8::new(0),
            payer: parking_lot::Mutex::new(None),
            charged: AtomicUsize::new(0),
            received: AtomicU64::new(0),
            stuck_since: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            waker: AtomicWaker::new(),
        }
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Body,
            3 => Phase::Busy,
            _ => Phase::Drain,
        }
    }

    fn ended(&self) -> Option<Ended> {
        match self.ended.load(Relaxed) {
            0 => None,
            1 => Some(Ended::TooSlow),
            2 => Some(Ended::NoRoom),
            _ => Some(Ended::Closed),
        }
    }

    pub(super) fn since(&self) -> u64 {
        self.since.load(Relaxed)
    }

    pub(super) fn charged(&self) -> usize {
        self.charged.load(Relaxed)
    }

    /// Whether it waits for its client, so that its place can be another's.
    pub(super) fn waits(&self) -> bool {
        self.ended().is_none() && self.phase() != Phase::Busy
    }

    /// Whether it waits for a body that `share` pays for.
    pub(super) fn pays(&self, share: AddrBucket) -> bool {
        self.ended().is_none() && self.phase() == Phase::Body && *self.payer.lock() == Some(share)
    }

    pub(super) fn end(&self, why: Ended) {
        self.ended.store(why as u8, Relaxed);
        self.waker.wake();
    }

    pub(super) fn end_if_overdue(&self, now: u64, limits: &Limits) {
        if let Some(why) = self.overdue(now, limits)
            && self.ended() != Some(Ended::Closed)
        {
            self.end(why);
        }
    }

    /// Why it has to end by `now`.
    fn overdue(&self, now: u64, limits: &Limits) -> Option<Ended> {
        let stuck = self.stuck_since.load(Relaxed);
        let taken = self.taken.load(Relaxed);
        if stuck != 0 && is_too_slow(now - stuck, taken, limits.write, limits.write_rate) {
            return Some(Ended::Closed);
        }
        let took = now.saturating_sub(self.since());
        match (self.phase(), self.ended()) {
            (Phase::Head, _) => (took > limits.head).then_some(Ended::Closed),
            (Phase::Drain, _) => (took > limits.drain).then_some(Ended::Closed),
            (Phase::Body, None) => {
                let received = self.received.load(Relaxed);
                let is_late = took > limits.body_longest
                    || is_too_slow(took, received, limits.body, limits.body_rate);
                is_late.then_some(Ended::TooSlow)
            }
            (Phase::Busy, _) if self.bounds_calls.load(Relaxed) => {
                (took > limits.call).then_some(Ended::Closed)
            }
            // Who waits for a body that has ended answers now.
            (Phase::Idle | Phase::Busy, _) | (Phase::Body, Some(_)) => None,
        }
    }
}

fn is_too_slow(took: u64, bytes: u64, grace: u64, rate: u64) -> bool {
    took > grace && bytes < took * rate
}
