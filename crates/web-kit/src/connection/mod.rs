//! A client's connection: how much of its input is read, and how long the client may
//! take to send and to receive. `kit::admission` holds the bounds; this module
//! applies them to the server's reads and writes.
//!
//! actix reads all input that a socket offers. So this socket offers a request's head
//! alone, and of a body only what the request asks for: the rest stays with the
//! client.

mod flow;
mod response_body;
mod socket;

use std::rc::Rc;

use actix_web::HttpRequest;

pub(crate) use self::{flow::FlowControl, response_body::ResponseBody, socket::Socket};

/// The flow control of the connection of `req`; none in tests without a server.
pub(crate) fn of(req: &HttpRequest) -> Option<Rc<FlowControl>> {
    req.conn_data::<Rc<FlowControl>>().map(Rc::clone)
}
