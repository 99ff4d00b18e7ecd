//! What all HTTP services share: the server with its limits, health, metrics and
//! traces; CORS, problem+json, request bodies, cookies; the client's address and a
//! description of its browser; the UI of the pages.

pub mod body;
mod carried;
pub mod client;
mod connection;
mod content_type;
pub mod cookies;
pub mod cors;
pub mod device;
pub mod explain;
pub mod failures;
pub mod head;
pub mod journey;
pub mod lab_control;
mod observe;
mod path;
pub mod problem;
pub mod same_site;
pub mod server;
pub mod trace;
mod transport;
pub mod ui;

pub use connection::peer_certificates;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
