//! The frame of every gRPC server: health, reflection, traces, bounds, drain.
//! No service's methods live here.

mod frame;
mod trace;

pub use frame::{Frame, MAX_MESSAGE};
