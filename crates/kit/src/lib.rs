//! What every service stands on. No HTTP server, no store, no protocol words
//! live here: those are `web-kit`, `store` and `oauth-types`.

pub mod admission;
pub mod clock;
pub mod config;
pub mod files;
pub mod metrics;
pub mod net;
pub mod random;
pub mod readiness;
pub mod running;
pub mod seal;
pub mod shutdown;
pub mod state_dir;
pub mod telemetry;

use std::sync::Arc;

/// What a service is given from outside, so that a test can give other ones.
/// The store is handed over apart: `kit` does not know it.
#[derive(Clone)]
pub struct Ground {
    /// The time.
    pub clock: Arc<dyn clock::Clock>,
    /// Where all randomness comes from.
    pub random: Arc<dyn random::Random>,
    /// Tells the service to drain.
    pub shutdown: shutdown::Shutdown,
}

impl Ground {
    /// The real thing: system clock, the operating system's randomness.
    pub fn real(shutdown: shutdown::Shutdown) -> Self {
        Self {
            clock: Arc::new(clock::SystemClock),
            random: Arc::new(random::OsRandom),
            shutdown,
        }
    }
}
