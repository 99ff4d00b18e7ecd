//! One connection: its phase, since when, and whether it has to close.

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

/// The phase of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Between requests.
    Idle,
    /// A part of a request's head was received.
    Head,
    /// A body is awaited.
    Body,
    /// A request is answered.
    Busy,
    /// A request was answered before all of it was read: further input is discarded.
    Drain,
}

/// Why a connection has to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CloseReason {
    /// The body is sent too slowly. A response is still sent.
    TooSlow = 1,
    /// Other requests need the bytes of the body. A response is still sent.
    NoRoom,
    /// The connection closes at once.
    Closed,
}

/// A connection, registered with [`Admission`] until it is dropped.
#[derive(Debug)]
pub struct Connection {
    admission: Admission,
    id: u64,
    state: Arc<State>,
}

/// Shared with the sweep. The connection's own task writes most of it; readers
/// tolerate slightly old values.
#[derive(Debug)]
pub(super) struct State {
    /// The client's bucket; none for a proxy.
    pub(super) bucket: Option<AddrBucket>,
    /// The number of requests in flight.
    in_flight: AtomicUsize,
    phase: AtomicU8,
    has_call_deadline: AtomicBool,
    is_reading_paused: AtomicBool,
    since: AtomicU64,
    ended: AtomicU8,
    /// The awaited body: the bucket that is charged, the charge, the bytes received.
    payer: parking_lot::Mutex<Option<AddrBucket>>,
    charged: AtomicUsize,
    received: AtomicU64,
    /// Since when a response is stalled (0: not stalled), and the bytes written since.
    stalled_since: AtomicU64,
    taken: AtomicU64,
    waker: AtomicWaker,
}

/// A request in flight, until this guard is dropped.
#[derive(Debug)]
pub struct InFlight(Arc<Connection>);

impl Connection {
    pub(super) fn new(admission: Admission, id: u64, state: Arc<State>) -> Self {
        Self {
            admission,
            id,
            state,
        }
    }

    /// The current phase.
    pub fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// Begins to answer a request.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.state.in_flight.fetch_add(1, Relaxed);
        // Of several requests the oldest counts, until one ends.
        if self.phase() != Phase::Busy {
            self.set_phase(Phase::Busy);
        }
        InFlight(Arc::clone(self))
    }

    /// Gives the calls of this connection a deadline. A gRPC connection multiplexes
    /// calls, so its reads do not show that one of them stalls.
    pub fn bound_calls(&self) {
        self.state.has_call_deadline.store(true, Relaxed);
    }

    /// Enters `phase`.
    pub fn set_phase(&self, phase: Phase) {
        self.state.since.store(self.admission.now(), Relaxed);
        self.state.phase.store(phase as u8, Relaxed);
    }

    /// Awaits a body, for which `payer` is charged `charged` bytes so far.
    pub fn await_body(&self, payer: Option<AddrBucket>, charged: usize) {
        self.state.charged.store(charged, Relaxed);
        if self.phase() != Phase::Body {
            *self.state.payer.lock() = payer;
            self.state.received.store(0, Relaxed);
            self.set_phase(Phase::Body);
        }
    }

    /// Records that `bytes` of the body were received.
    pub fn received(&self, bytes: usize) {
        self.state.received.fetch_add(bytes as u64, Relaxed);
    }

    /// Records that the client does not take the response.
    pub fn write_stalled(&self) {
        if self.state.stalled_since.load(Relaxed) == 0 {
            self.state.taken.store(0, Relaxed);
            let now = self.admission.now();
            self.state.stalled_since.store(now, Relaxed);
        }
    }

    /// Records that the client took `bytes` of the response.
    pub fn wrote(&self, bytes: usize) {
        if self.state.stalled_since.load(Relaxed) != 0 {
            self.state.taken.fetch_add(bytes as u64, Relaxed);
        }
    }

    /// Records the result of a write to the socket.
    pub fn polled_write(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(Ok(bytes)) => self.wrote(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.write_stalled(),
        }
    }

    /// An error if the connection has to close now.
    pub fn check(&self) -> io::Result<()> {
        if self.must_close() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    /// Records that the client took the whole response.
    pub fn flushed(&self) {
        if self.state.stalled_since.load(Relaxed) != 0 {
            self.state.stalled_since.store(0, Relaxed);
        }
    }

    /// Why the connection has to close, if it has to.
    pub fn ended(&self) -> Option<CloseReason> {
        self.state.ended()
    }

    /// Whether the connection has to close now, without a response.
    pub fn must_close(&self) -> bool {
        match self.ended() {
            None => false,
            Some(CloseReason::Closed) => true,
            Some(_) => matches!(self.phase(), Phase::Idle | Phase::Head),
        }
    }

    /// Closes the connection.
    pub fn close(&self) {
        self.state.end(CloseReason::Closed);
    }

    /// Where the connection is registered.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// The client's bucket; none for a proxy.
    pub fn bucket(&self) -> Option<AddrBucket> {
        self.state.bucket
    }

    /// Sets the task to wake when the connection has to close.
    pub fn wake(&self, waker: &Waker) {
        self.state.waker.register(waker);
    }

    /// Pauses reading: input stays in the kernel, and no event announces it again.
    pub fn pause_reading(&self) {
        self.state.is_reading_paused.store(true, Relaxed);
    }

    /// Resumes reading: wakes the task that was set last.
    pub fn resume_reading(&self) {
        if self.state.is_reading_paused.load(Relaxed) {
            self.state.is_reading_paused.store(false, Relaxed);
            self.state.waker.wake();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.admission.disconnect(self.id, self.state.bucket);
    }
}

impl InFlight {
    /// The connection.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let left = self.0.state.in_flight.fetch_sub(1, Relaxed) - 1;
        let next = match self.0.phase() {
            Phase::Drain => Phase::Drain,
            _ if left == 0 => Phase::Idle,
            _ => Phase::Busy,
        };
        self.0.set_phase(next);
        self.0.resume_reading();
    }
}

impl State {
    pub(super) fn new(bucket: Option<AddrBucket>, now: u64) -> Self {
        Self {
            bucket,
            in_flight: AtomicUsize::new(0),
            phase: AtomicU8::new(Phase::Idle as u8),
            has_call_deadline: AtomicBool::new(false),
            is_reading_paused: AtomicBool::new(false),
            since: AtomicU64::new(now),
            ended: AtomicU8::new(0),
            payer: parking_lot::Mutex::new(None),
            charged: AtomicUsize::new(0),
            received: AtomicU64::new(0),
            stalled_since: AtomicU64::new(0),
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

    fn ended(&self) -> Option<CloseReason> {
        match self.ended.load(Relaxed) {
            0 => None,
            1 => Some(CloseReason::TooSlow),
            2 => Some(CloseReason::NoRoom),
            _ => Some(CloseReason::Closed),
        }
    }

    pub(super) fn since(&self) -> u64 {
        self.since.load(Relaxed)
    }

    pub(super) fn charged(&self) -> usize {
        self.charged.load(Relaxed)
    }

    /// Whether the connection waits for its client, so that it can make room.
    pub(super) fn is_waiting(&self) -> bool {
        self.ended().is_none() && self.phase() != Phase::Busy
    }

    /// Whether the connection awaits a body that is charged to `bucket`.
    pub(super) fn pays(&self, bucket: AddrBucket) -> bool {
        self.ended().is_none() && self.phase() == Phase::Body && *self.payer.lock() == Some(bucket)
    }

    pub(super) fn end(&self, why: CloseReason) {
        self.ended.store(why as u8, Relaxed);
        self.waker.wake();
    }

    pub(super) fn end_if_overdue(&self, now: u64, limits: &Limits) {
        if let Some(why) = self.overdue(now, limits)
            && self.ended() != Some(CloseReason::Closed)
        {
            self.end(why);
        }
    }

    /// Why the connection has to close at `now`.
    fn overdue(&self, now: u64, limits: &Limits) -> Option<CloseReason> {
        let stalled = self.stalled_since.load(Relaxed);
        let taken = self.taken.load(Relaxed);
        if stalled != 0 && is_too_slow(now - stalled, taken, limits.write, limits.write_rate) {
            return Some(CloseReason::Closed);
        }
        let took = now.saturating_sub(self.since());
        match (self.phase(), self.ended()) {
            (Phase::Head, _) => (took > limits.head).then_some(CloseReason::Closed),
            (Phase::Drain, _) => (took > limits.drain).then_some(CloseReason::Closed),
            (Phase::Body, None) => {
                let received = self.received.load(Relaxed);
                let is_late = took > limits.body_longest
                    || is_too_slow(took, received, limits.body, limits.body_rate);
                is_late.then_some(CloseReason::TooSlow)
            }
            (Phase::Busy, _) if self.has_call_deadline.load(Relaxed) => {
                (took > limits.call).then_some(CloseReason::Closed)
            }
            // A body that was ended is answered now.
            (Phase::Idle | Phase::Busy, _) | (Phase::Body, Some(_)) => None,
        }
    }
}

fn is_too_slow(took: u64, bytes: u64, grace: u64, rate: u64) -> bool {
    took > grace && bytes < took * rate
}
