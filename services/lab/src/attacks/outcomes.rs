//! How the program's runs of each journey ended, for the pages. Any may be forgotten.

use kit::{bounded_cache::BoundedCache, journey::JourneyTag};
use parking_lot::Mutex;

use super::program::{NotRun, Outcome, Program};

/// The most runs that are remembered.
const MOST: usize = 1000;

/// A journey, an attack, and whether its defences were off.
type Key = (JourneyTag, &'static str, bool);

/// How a run ended, or why it did not.
pub(super) type Ended = Result<Outcome, NotRun>;

/// The latest run of each attack in each journey.
pub(super) struct Outcomes(Mutex<BoundedCache<Key, Ended>>);

impl Default for Outcomes {
    fn default() -> Self {
        Self(Mutex::new(BoundedCache::new(MOST)))
    }
}

impl Outcomes {
    pub(super) fn keep(&self, journey: JourneyTag, attack: Program, weakened: bool, ended: Ended) {
        let key = (journey, attack.slug(), weakened);
        self.0.lock().insert(key, ended);
    }

    pub(super) fn of(&self, journey: JourneyTag, attack: Program, weakened: bool) -> Option<Ended> {
        self.0
            .lock()
            .get(&(journey, attack.slug(), weakened))
            .cloned()
    }
}
