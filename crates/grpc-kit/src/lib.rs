//! The gRPC server of every service (health, reflection, traces, limits, drain), and
//! calls with credentials for clients.

mod call;
mod methods;
mod server;
mod socket;
mod streams;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
mod trace;

pub use call::{authorized, call_idempotent, call_retry_unprocessed, peer_certificates};
pub use server::{GrpcServer, MAX_MESSAGE};
