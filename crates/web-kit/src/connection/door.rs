//! How much may come in on a connection. Its socket and its requests share it;
//! they are on one thread.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use kit::{
    admission::{Charge, Connection, Phase, UnderWay},
    net::AddrBucket,
};

/// What of a head comes in before anybody pays for it, and each time that
/// somebody does.
const HEAD_STEP: usize = 8 * 1024;
/// What of a body comes in each time that it is asked for.
const BODY_STEP: usize = 16 * 1024;

/// The way in.
pub(crate) struct Door {
    connection: Arc<Connection>,
    /// What of a head has come in, and what may.
    head: Cell<usize>,
    head_room: Cell<usize>,
    /// The server has been given the time to find the end of the head.
    is_looked_at: Cell<bool>,
    head_charge: RefCell<Option<Charge>>,
    /// What of a body may come in.
    body_room: Cell<usize>,
}

/// How much may come in now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// So many bytes.
    Bytes(usize),
    /// None before the server has looked at what came in last.
    AfterALook,
    /// None until a request asks for it, or ends.
    None,
    /// None at all: there is no room for so much of a head.
    Over,
}

impl Door {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection: Arc::new(connection),
            head: Cell::new(0),
            head_room: Cell::new(HEAD_STEP),
            is_looked_at: Cell::new(false),
            head_charge: RefCell::new(None),
            body_room: Cell::new(0),
        }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// A request's head was read whole.
    pub(crate) fn begin(&self) -> UnderWay {
        self.head.set(0);
        self.head_room.set(HEAD_STEP);
        self.is_looked_at.set(false);
        if self.head_charge.borrow().is_some() {
            self.head_charge.replace(None);
        }
        self.body_room.set(0);
        self.connection.begin()
    }

    /// A request asks for more of its body.
    pub(crate) fn ask_for_body(&self) {
        self.body_room.set(BODY_STEP);
        self.connection.go_on();
    }

    /// How much may come in now.
    pub(super) fn room(&self) -> Room {
        match self.connection.phase() {
            Phase::Busy => Room::None,
            Phase::Body => match self.body_room.get() {
                0 => Room::None,
                room => Room::Bytes(room),
            },
            // It is thrown away.
            Phase::Drain => Room::Bytes(HEAD_STEP),
            Phase::Idle | Phase::Head => self.room_for_head(),
        }
    }

    fn room_for_head(&self) -> Room {
        let left = self.head_room.get() - self.head.get();
        if left > 0 {
            return Room::Bytes(left);
        }
        if !self.is_looked_at.replace(true) {
            return Room::AfterALook;
        }
        self.is_looked_at.set(false);
        let share = self.connection.share().unwrap_or(AddrBucket::UNKNOWN);
        let mut charge = self.head_charge.borrow_mut();
        let charge = charge.get_or_insert_with(|| self.connection.admission().charge(share));
        if charge.grow(HEAD_STEP).is_err() {
            return Room::Over;
        }
        self.head_room.set(self.head_room.get() + HEAD_STEP);
        Room::Bytes(HEAD_STEP)
    }

    /// So many bytes came in.
    pub(super) fn came(&self, bytes: usize) {
        match self.connection.phase() {
            Phase::Body => self
                .body_room
                .set(self.body_room.get().saturating_sub(bytes)),
            Phase::Idle if bytes > 0 => {
                self.connection.is_at(Phase::Head);
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

    fn door(bytes_of_one: usize) -> Door {
        let admission = Admission::new(Limits {
            bytes_of_one,
            ..Limits::default()
        });
        let peer = "192.0.2.1".parse().unwrap();
        Door::new(admission.connect(peer, false).unwrap())
    }

    #[test]
    fn a_long_head_comes_in_by_steps_that_its_address_pays_for() {
        let door = door(2 * HEAD_STEP);
        for _ in 0..3 {
            assert_eq!(door.room(), Room::Bytes(HEAD_STEP));
            door.came(HEAD_STEP);
            assert_eq!(door.room(), Room::AfterALook);
        }
        assert_eq!(door.room(), Room::Over);
        let buffered = || door.connection.admission().buffered();
        assert_eq!(buffered(), (2 * HEAD_STEP, 0));
        let _under_way = door.begin();
        assert_eq!(buffered(), (0, 0));
    }

    #[test]
    fn while_a_request_is_answered_nothing_comes_in_that_it_does_not_ask_for() {
        let door = door(0);
        door.came(100);
        assert_eq!(door.connection.phase(), Phase::Head);
        let under_way = door.begin();
        assert_eq!(door.room(), Room::None);
        door.connection.waits_for_body(None, 0);
        assert_eq!(door.room(), Room::None);
        door.ask_for_body();
        assert_eq!(door.room(), Room::Bytes(BODY_STEP));
        door.came(BODY_STEP);
        assert_eq!(door.room(), Room::None);
        drop(under_way);
        assert_eq!(door.room(), Room::Bytes(HEAD_STEP));
    }
}
