//! What surrounds the reading of every body, whoever reads it: it is counted,
//! paid for and timed as it comes.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    HttpMessage as _,
    dev::{Payload, ServiceRequest},
    error::PayloadError,
    web::Bytes,
};
use futures_util::stream::Stream;
use kit::{
    admission::{Charge, Ended, Phase},
    net::AddrBucket,
};

use super::BodyError;
use crate::{
    client::client_addr,
    connection::{self, Door},
};

/// What one request has taken in.
pub(crate) struct Intake {
    door: Rc<Door>,
    share: AddrBucket,
    charge: RefCell<Charge>,
    /// The most bytes that the service takes.
    limit: usize,
    taken: Cell<usize>,
    /// All of it has come.
    is_whole: Cell<bool>,
    failure: Cell<Option<Failure>>,
}

#[derive(Clone, Copy)]
enum Failure {
    TooLarge,
    TooSlow,
    NoRoom,
}

/// Puts the body of `req` under the bounds, where it has one; at most `limit` bytes.
pub(crate) fn take_in(req: &mut ServiceRequest, limit: usize) -> Option<Rc<Intake>> {
    let payload = match req.take_payload() {
        // Nothing will come.
        Payload::None => return None,
        payload => payload,
    };
    let Some(door) = connection::of(req.request()) else {
        req.set_payload(payload);
        return None;
    };
    let share = client_addr(req.request()).bucket();
    let admission = door.connection().admission();
    let mut charge = admission.charge(share);
    if admission.remembers(share) {
        charge.is_known();
    }
    let intake = Rc::new(Intake {
        door,
        share,
        charge: RefCell::new(charge),
        limit,
        taken: Cell::new(0),
        is_whole: Cell::new(false),
        failure: Cell::new(None),
    });
    req.extensions_mut().insert(Rc::clone(&intake));
    let incoming = Incoming {
        payload,
        intake: Rc::clone(&intake),
    };
    req.set_payload(Payload::Stream {
        payload: Box::pin(incoming),
    });
    Some(intake)
}

impl Intake {
    /// The request's session or client has been checked.
    pub(super) fn is_known(&self) {
        self.charge.borrow_mut().is_known();
    }

    /// The request's client has authenticated.
    pub(super) fn remember(&self) {
        self.door.connection().admission().remember(self.share);
    }

    /// Why it was cut short, where we did that.
    pub(super) fn failure(&self) -> Option<BodyError> {
        Some(match self.failure.get()? {
            Failure::TooLarge => BodyError::TooLarge(self.limit),
            Failure::TooSlow => BodyError::TooSlow,
            Failure::NoRoom => BodyError::NoRoom,
        })
    }

    /// The request was answered: nothing of it is kept. Whether all of it had come.
    pub(crate) fn end(&self) -> bool {
        self.charge.borrow_mut().clear();
        let is_whole = self.is_whole.get();
        if !is_whole {
            self.door.connection().is_at(Phase::Drain);
        }
        is_whole
    }

    fn came(&self, bytes: usize) -> Result<(), Failure> {
        let taken = self.taken.get() + bytes;
        self.taken.set(taken);
        if taken > self.limit {
            return Err(Failure::TooLarge);
        }
        self.door.connection().received(bytes);
        let paid = self.charge.borrow_mut().grow(bytes);
        paid.map_err(|_| Failure::NoRoom)
    }

    fn waits(&self) -> Result<(), Failure> {
        let connection = self.door.connection();
        match connection.ended() {
            Some(Ended::TooSlow) => return Err(Failure::TooSlow),
            Some(_) => return Err(Failure::NoRoom),
            None => {}
        }
        let charge = self.charge.borrow();
        connection.waits_for_body(charge.payer(), charge.bytes());
        self.door.ask_for_body();
        Ok(())
    }

    fn fails(&self, failure: Failure) -> PayloadError {
        self.failure.set(Some(failure));
        self.door.connection().is_at(Phase::Busy);
        match failure {
            Failure::TooLarge => PayloadError::Overflow,
            Failure::TooSlow | Failure::NoRoom => PayloadError::Incomplete(None),
        }
    }

    fn is_whole(&self) {
        self.is_whole.set(true);
        if self.door.connection().phase() == Phase::Body {
            self.door.connection().is_at(Phase::Busy);
        }
    }
}

/// A body as it comes.
struct Incoming {
    payload: Payload,
    intake: Rc<Intake>,
}

impl Stream for Incoming {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.payload).poll_next(cx);
        let intake = &self.intake;
        let failed = match &polled {
            Poll::Ready(Some(Ok(chunk))) => intake.came(chunk.len()),
            Poll::Ready(None) => {
                intake.is_whole();
                Ok(())
            }
            Poll::Ready(Some(Err(_))) => Ok(()),
            Poll::Pending => intake.waits(),
        };
        match failed {
            Ok(()) => polled,
            Err(failure) => Poll::Ready(Some(Err(intake.fails(failure)))),
        }
    }
}
