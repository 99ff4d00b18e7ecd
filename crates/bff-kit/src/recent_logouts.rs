//! Where recent logouts sent their browsers. A browser that posts the form twice gives the
//! first answer up, and the second post finds no session any more.

use std::time::Duration;

use kit::{bounded_cache::BoundedCache, clock::Timestamp};
use parking_lot::Mutex;

use crate::sessions::Handle;

/// How long a second post gets the answer of the first one.
const LIFETIME: Duration = Duration::from_secs(60);
/// The most logouts that are remembered.
const MAX: usize = 1000;

/// Those of this process. No `Debug`: the URLs contain id_tokens.
pub(crate) struct RecentLogouts(Mutex<BoundedCache<String, (Timestamp, String)>>);

impl Default for RecentLogouts {
    fn default() -> Self {
        Self(Mutex::new(BoundedCache::new(MAX)))
    }
}

impl RecentLogouts {
    /// The session of `handle` has ended, and its browser goes on to `redirect_to`.
    pub(crate) fn add(&self, handle: &Handle, redirect_to: &str, now: Timestamp) {
        let entry = (now + LIFETIME, redirect_to.to_owned());
        self.0.lock().insert(handle.as_str().to_owned(), entry);
    }

    /// Where the logout of the session of `handle` sent its browser.
    pub(crate) fn of(&self, handle: &Handle, now: Timestamp) -> Option<String> {
        let recent = self.0.lock();
        let (until, redirect_to) = recent.get(handle.as_str())?;
        (now < *until).then(|| redirect_to.clone())
    }
}
