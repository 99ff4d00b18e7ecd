//! What all HTTP services share: the server's frame, limits, health, metrics,
//! traces, CORS, problem+json, requests' bodies, cookies, the client's address and its browser in words, the
//! look of the pages.

pub mod body;
pub mod client;
mod connection;
pub mod cookies;
pub mod cors;
pub mod device;
pub mod frame;
mod head;
pub mod look;
mod observe;
mod path;
pub mod problem;
pub mod same_site;
mod serve;
pub mod trace;

#[cfg(test)]
mod tests;
