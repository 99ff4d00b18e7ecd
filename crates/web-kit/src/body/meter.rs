//! Meters every body while it is read: its bytes are counted, charged to the
//! client's address and timed.

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
    admission::{Charge, CloseReason, Phase},
    net::AddrBucket,
};

use super::BodyError;
use crate::{
    client::client_addr,
    connection::{self, FlowControl},
};

/// The meter of one request's body.
pub(crate) struct BodyMeter {
    flow: Rc<FlowControl>,
    bucket: AddrBucket,
    charge: RefCell<Charge>,
    /// The service's limit in bytes.
    limit: usize,
    received: Cell<usize>,
    /// The whole body was received.
    is_whole: Cell<bool>,
    failure: Cell<Option<Failure>>,
}

#[derive(Clone, Copy)]
enum Failure {
    TooLarge,
    TooSlow,
    NoRoom,
}

/// Meters the body of `req`, if it has one, and bounds it to `limit` bytes.
pub(crate) fn meter_body(req: &mut ServiceRequest, limit: usize) -> Option<Rc<BodyMeter>> {
    let payload = match req.take_payload() {
        // There is no body.
        Payload::None => return None,
        payload => payload,
    };
    let Some(flow) = connection::of(req.request()) else {
        req.set_payload(payload);
        return None;
    };
    let bucket = client_addr(req.request()).bucket();
    let admission = flow.connection().admission();
    let mut charge = admission.charge(bucket);
    if admission.is_authenticated(bucket) {
        charge.use_reserve();
    }
    let meter = Rc::new(BodyMeter {
        flow,
        bucket,
        charge: RefCell::new(charge),
        limit,
        received: Cell::new(0),
        is_whole: Cell::new(false),
        failure: Cell::new(None),
    });
    req.extensions_mut().insert(Rc::clone(&meter));
    let metered = MeteredPayload {
        payload,
        meter: Rc::clone(&meter),
    };
    req.set_payload(Payload::Stream {
        payload: Box::pin(metered),
    });
    Some(meter)
}

impl BodyMeter {
    /// Charges the body to the reserve: the request's session or client was checked.
    pub(super) fn use_reserve(&self) {
        self.charge.borrow_mut().use_reserve();
    }

    /// Marks the client's address as one where a client has authenticated.
    pub(super) fn mark_authenticated(&self) {
        self.flow
            .connection()
            .admission()
            .mark_authenticated(self.bucket);
    }

    /// Why the server cut the body short, if it did.
    pub(super) fn failure(&self) -> Option<BodyError> {
        Some(match self.failure.get()? {
            Failure::TooLarge => BodyError::TooLarge(self.limit),
            Failure::TooSlow => BodyError::TooSlow,
            Failure::NoRoom => BodyError::NoRoom,
        })
    }

    /// Ends the meter once the request is answered: gives the charge back. Returns
    /// whether the whole body was received.
    pub(crate) fn end(&self) -> bool {
        self.charge.borrow_mut().clear();
        let is_whole = self.is_whole.get();
        if !is_whole {
            self.flow.connection().set_phase(Phase::Drain);
        }
        is_whole
    }

    fn receive(&self, bytes: usize) -> Result<(), Failure> {
        let received = self.received.get() + bytes;
        self.received.set(received);
        if received > self.limit {
            return Err(Failure::TooLarge);
        }
        self.flow.connection().received(bytes);
        let charged = self.charge.borrow_mut().grow(bytes);
        charged.map_err(|_| Failure::NoRoom)
    }

    fn await_more(&self) -> Result<(), Failure> {
        let connection = self.flow.connection();
        match connection.ended() {
            Some(CloseReason::TooSlow) => return Err(Failure::TooSlow),
            Some(_) => return Err(Failure::NoRoom),
            None => {}
        }
        let charge = self.charge.borrow();
        connection.await_body(charge.payer(), charge.bytes());
        self.flow.ask_for_body();
        Ok(())
    }

    fn fail(&self, failure: Failure) -> PayloadError {
        self.failure.set(Some(failure));
        self.flow.connection().set_phase(Phase::Busy);
        match failure {
            Failure::TooLarge => PayloadError::Overflow,
            Failure::TooSlow | Failure::NoRoom => PayloadError::Incomplete(None),
        }
    }

    fn complete(&self) {
        self.is_whole.set(true);
        if self.flow.connection().phase() == Phase::Body {
            self.flow.connection().set_phase(Phase::Busy);
        }
    }
}

/// A body that is metered while it is read.
struct MeteredPayload {
    payload: Payload,
    meter: Rc<BodyMeter>,
}

impl Stream for MeteredPayload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.payload).poll_next(cx);
        let meter = &self.meter;
        let failed = match &polled {
            Poll::Ready(Some(Ok(chunk))) => meter.receive(chunk.len()),
            Poll::Ready(None) => {
                meter.complete();
                Ok(())
            }
            Poll::Ready(Some(Err(_))) => Ok(()),
            Poll::Pending => meter.await_more(),
        };
        match failed {
            Ok(()) => polled,
            Err(failure) => Poll::Ready(Some(Err(meter.fail(failure)))),
        }
    }
}
