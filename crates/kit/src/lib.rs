//! What every service needs, below HTTP servers (`web-kit`), the store (`store`) and
//! the protocol's types (`oauth-types`).

pub mod admission;
pub mod bounded_cache;
mod certified_key;
pub mod clock;
pub mod config;
pub mod files;
pub mod journey;
pub mod json;
pub mod keyed_locks;
pub mod lab_control;
pub mod listeners;
pub mod live_counts;
pub mod metrics;
pub mod net;
pub mod pem;
pub mod random;
pub mod readiness;
pub mod running;
pub mod seal;
pub mod shares;
pub mod shutdown;
pub mod state_dir;
pub mod telemetry;
pub mod tls;
pub mod weakness;
pub mod x509;

use std::sync::Arc;

/// A service's dependencies on its surroundings, which a test replaces: the clock,
/// randomness, shutdown. The store is passed separately: `kit` does not know it.
#[derive(Clone)]
pub struct Deps {
    /// The time.
    pub clock: Arc<dyn clock::Clock>,
    /// The source of all randomness.
    pub random: Arc<dyn random::Random>,
    /// The signal to drain.
    pub shutdown: shutdown::Shutdown,
}

impl Deps {
    /// The system's clock and the operating system's randomness.
    pub fn system(shutdown: shutdown::Shutdown) -> Self {
        Self {
            clock: Arc::new(clock::SystemClock),
            random: Arc::new(random::OsRandom),
            shutdown,
        }
    }

    /// The same for `service`, whose clock a lab may shift.
    #[must_use]
    pub fn of_service(self, service: &str) -> Self {
        Self {
            clock: lab_control::clock_of(service, &self.clock),
            ..self
        }
    }
}
