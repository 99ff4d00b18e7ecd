//! A client's connection: how much of what it sends comes in, and how long it
//! may take with that and with what it is sent. The bounds are
//! `kit::admission`'s; here is where they meet the server's reading and writing.
//!
//! The server reads whatever there is, whether anybody wants it or not. So the
//! socket gives it no more than a request's head, and of a body what is asked for:
//! the rest stays with the client.

mod answer;
mod door;
mod socket;

use std::rc::Rc;

use actix_web::HttpRequest;

pub(crate) use self::{answer::Answer, door::Door, socket::Socket};

/// The connection that `req` came by; none in tests without a server.
pub(crate) fn of(req: &HttpRequest) -> Option<Rc<Door>> {
    req.conn_data::<Rc<Door>>().map(Rc::clone)
}
