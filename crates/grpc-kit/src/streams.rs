//! How many calls may be open at once, at one address and together. Each takes memory
//! before its client has authenticated.

use kit::shares::{Bounds, Shares};

/// Calls that are answered within seconds.
const CALLS: Bounds = Bounds {
    of_one: 512,
    together: 4096,
    always: 32,
};
/// The calls of health and reflection, which last as long as their client likes.
const WATCHES: Bounds = Bounds {
    of_one: 16,
    together: 512,
    always: 2,
};

/// The open calls of a server.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) calls: Shares,
    pub(crate) watches: Shares,
}

impl Streams {
    pub(crate) fn new() -> Self {
        Self {
            calls: Shares::new(CALLS),
            watches: Shares::new(WATCHES),
        }
    }
}
