//! The frame of every gRPC server: health, reflection, traces, bounds, drain;
//! and a call with credentials, for those who call one. No service's methods
//! live here.

mod call;
mod frame;
mod methods;
mod socket;
#[cfg(test)]
mod tests;
mod trace;

pub use call::{authorized, until_answered, until_seen};
pub use frame::{Frame, MAX_MESSAGE};
