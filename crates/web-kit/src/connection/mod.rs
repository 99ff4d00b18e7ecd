//! A client's connection: limits on the input that is read and on the time for sending
//! and receiving. `kit::admission` has the limits; this module applies them to the
//! server's reads and writes.
//!
//! actix reads all input that a socket offers. So this socket offers only a request's
//! head, and only as much of a body as the request asks for: the rest stays with the
//! client.

mod flow;
mod response_body;
mod socket;

use std::rc::Rc;

use actix_web::HttpRequest;
use kit::tls::PeerCertificates;

pub(crate) use self::{flow::FlowControl, response_body::ResponseBody, socket::Socket};

/// The flow control of the connection of `req`; none in tests without a server.
pub(crate) fn of(req: &HttpRequest) -> Option<Rc<FlowControl>> {
    req.conn_data::<Rc<FlowControl>>().map(Rc::clone)
}

/// The certificate that the client of `req` presented on this connection, if its listener
/// asks for one ([`kit::tls::ClientCertificates`]).
pub fn peer_certificates(req: &HttpRequest) -> Option<&PeerCertificates> {
    req.conn_data::<PeerCertificates>()
}
