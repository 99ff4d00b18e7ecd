//! The gRPC server of every service (health, reflection, traces, limits, drain), and
//! calls with credentials for clients.

mod call;
mod methods;
mod server;
mod socket;
#[cfg(test)]
mod tests;
mod trace;

pub use call::{authorized, call_idempotent, call_retry_unprocessed};
pub use server::{GrpcServer, MAX_MESSAGE};
