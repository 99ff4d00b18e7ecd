//! Flow control: how many bytes a connection may read now. The socket and the
//! requests of the connection use it, all on one thread.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use kit::{
    admission::{Charge, Connection, InFlight, Phase},
    net::AddrBucket,
};

/// The number of bytes of a request's head that are read before each charge to the
/// client's address.
const HEAD_STEP: usize = 8 * 1024;
/// The number of bytes of a body that are read when the request asks for more.
const BODY_STEP: usize = 16 * 1024;

/// A connection's flow control.
pub(crate) struct FlowControl {
    connection: Arc<Connection>,
    /// How many bytes of a head were read.
    head: Cell<usize>,
    /// How many bytes of a head may be read.
    head_room: Cell<usize>,
    /// The server had a poll to find the end of the head.
    was_polled: Cell<bool>,
    head_charge: RefCell<Option<Charge>>,
    /// How many bytes of a body may be read.
    body_room: Cell<usize>,
}

/// How much may be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowance {
    /// At most this many bytes.
    Bytes(usize),
    /// Nothing before the next poll: the server may find the end of the head first.
    NextPoll,
    /// Nothing until a request asks for its body, or ends.
    None,
    /// Nothing more: the head is longer than the budget allows.
    Exceeded,
}

impl FlowControl {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection: Arc::new(connection),
            head: Cell::new(0),
            head_room: Cell::new(HEAD_STEP),
            was_polled: Cell::new(false),
            head_charge: RefCell::new(None),
            body_room: Cell::new(0),
        }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// A request's head was read completely.
    pub(crate) fn begin(&self) -> InFlight {
        self.head.set(0);
        self.head_room.set(HEAD_STEP);
        self.was_polled.set(false);
        if self.head_charge.borrow().is_some() {
            self.head_charge.replace(None);
        }
        self.body_room.set(0);
        self.connection.begin()
    }

    /// A request asks for more of its body.
    pub(crate) fn ask_for_body(&self) {
        self.body_room.set(BODY_STEP);
        self.connection.resume_reading();
    }

    /// How much may be read now.
    pub(super) fn room(&self) -> Allowance {
        match self.connection.phase() {
            Phase::Busy => Allowance::None,
            Phase::Body => match self.body_room.get() {
                0 => Allowance::None,
                room => Allowance::Bytes(room),
            },
            // These bytes are discarded.
            Phase::Drain => Allowance::Bytes(HEAD_STEP),
            Phase::Idle | Phase::Head => self.room_for_head(),
        }
    }

    fn room_for_head(&self) -> Allowance {
        let left = self.head_room.get() - self.head.get();
        if left > 0 {
            return Allowance::Bytes(left);
        }
        if !self.was_polled.replace(true) {
            return Allowance::NextPoll;
        }
        self.was_polled.set(false);
        let bucket = self.connection.bucket().unwrap_or(AddrBucket::UNKNOWN);
        let mut charge = self.head_charge.borrow_mut();
        let charge = charge.get_or_insert_with(|| self.connection.admission().charge(bucket));
        if charge.grow(HEAD_STEP).is_err() {
            return Allowance::Exceeded;
        }
        self.head_room.set(self.head_room.get() + HEAD_STEP);
        Allowance::Bytes(HEAD_STEP)
    }

    /// Records that `bytes` were read.
    pub(super) fn record(&self, bytes: usize) {
        match self.connection.phase() {
            Phase::Body => self
                .body_room
                .set(self.body_room.get().saturating_sub(bytes)),
            Phase::Idle if bytes > 0 => {
                self.connection.set_phase(Phase::Head);
                self.head.set(self.head.get() + bytes);
            }
            Phase::Head => self.head.set(self.head.get() + bytes),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use kit::admission::{Admission, Limits};

    use super::*;

    fn flow(bytes_of_one: usize) -> FlowControl {
        let admission = Admission::new(Limits {
            bytes_of_one,
            ..Limits::default()
        });
        let peer = "192.0.2.1".parse().unwrap();
        FlowControl::new(admission.connect(peer, false).unwrap())
    }

    #[test]
    fn a_long_head_is_read_in_steps_charged_to_its_address() {
        let flow = flow(2 * HEAD_STEP);
        for _ in 0..3 {
            assert_eq!(flow.room(), Allowance::Bytes(HEAD_STEP));
            flow.record(HEAD_STEP);
            assert_eq!(flow.room(), Allowance::NextPoll);
        }
        assert_eq!(flow.room(), Allowance::Exceeded);
        let buffered = || flow.connection.admission().buffered();
        assert_eq!(buffered(), (2 * HEAD_STEP, 0));
        let _in_flight = flow.begin();
        assert_eq!(buffered(), (0, 0));
    }

    #[test]
    fn while_a_request_is_answered_only_the_body_it_asks_for_is_read() {
        let flow = flow(0);
        flow.record(100);
        assert_eq!(flow.connection.phase(), Phase::Head);
        let in_flight = flow.begin();
        assert_eq!(flow.room(), Allowance::None);
        flow.connection.await_body(None, 0);
        assert_eq!(flow.room(), Allowance::None);
        flow.ask_for_body();
        assert_eq!(flow.room(), Allowance::Bytes(BODY_STEP));
        flow.record(BODY_STEP);
        assert_eq!(flow.room(), Allowance::None);
        drop(in_flight);
        assert_eq!(flow.room(), Allowance::Bytes(HEAD_STEP));
    }
}
