//! What came of an order.

use super::orders::Api;
use crate::client::Said;

/// What came of an order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is done; the id of the order or reservation.
    Done(String),
    /// It is not done.
    Failed(Said),
    /// It may have been done.
    Unknown(Said),
}

/// An order that has been worked on.
pub(super) struct Worked {
    pub(super) line: u64,
    pub(super) api: Option<Api>,
    pub(super) outcome: Outcome,
    /// How often it was sent.
    pub(super) attempts: u32,
}
