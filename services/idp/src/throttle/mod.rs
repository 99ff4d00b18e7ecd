//! Repeated failures at sign-in are slowed. A try counts before its password is
//! looked at, and where it cannot be counted there is none; a success gives its
//! own count back. The counters are in the store, so that replicas count
//! together.
//!
//! | counter | over its limit |
//! |---|---|
//! | an address alone (a class may share one) | one try at a time, with a wait between |
//! | a user name at an address | the same |
//! | a user name over all addresses | each try is delayed, none is refused |
//! | a browser that this user signed in with before | as the first; it replaces all others |

mod counter;
mod delay;
mod table;

use std::{sync::Arc, time::Duration};

use counter::{Counted, Counter};
pub use delay::Delays;
use store::{SharedStore, StoreError};
pub use table::Table;
use web_kit::client::AddrBucket;

use crate::state::Idp;

/// One try at signing in.
pub struct Attempt<'a> {
    /// The name that was typed, as names are compared.
    pub name: &'a str,
    /// From where.
    pub address: AddrBucket,
    /// The browser, where this user signed in with it before.
    pub known_browser: Option<&'a str>,
}

/// A try that was counted. Dropped before a password was looked at, it gives
/// its counts back.
pub struct Admitted {
    store: SharedStore,
    counted: Vec<Counted>,
    /// How long the try is to be delayed.
    pub delay: Duration,
    is_open: bool,
}

impl Attempt<'_> {
    /// Whether it is too early, with nothing counted; then the time to wait.
    pub async fn is_too_early(&self, idp: &Idp) -> Result<Option<Duration>, StoreError> {
        for counter in self.counters(idp) {
            if let Some(left) = counter.left(idp).await? {
                return Ok(Some(left));
            }
        }
        Ok(None)
    }

    /// Counts it. `Err` with the time to wait if it is too early. Called with a
    /// slot in hand: so many of one user at one address are under way at most as
    /// there are slots, and a class that signs in at once is not refused.
    pub async fn admit(&self, idp: &Idp) -> Result<Result<Admitted, Duration>, StoreError> {
        let limits = &idp.settings.limits;
        let mut admitted = Admitted {
            store: Arc::clone(idp.records.store()),
            counted: Vec::new(),
            delay: Duration::ZERO,
            is_open: true,
        };
        for counter in self.counters(idp) {
            match counter.admit(idp).await? {
                Ok(counted) => admitted.counted.push(counted),
                Err(wait) => return Ok(Err(wait)),
            }
        }
        if self.known_browser.is_none() {
            let user = idp.throttle.key("user", self.name);
            let (sum, counted) = counter::count(idp, user).await?;
            admitted.counted.push(counted);
            admitted.delay = delay::of(sum, limits);
        }
        Ok(Ok(admitted))
    }

    /// The address comes first: so one address has not more counters of names
    /// than it may have failures.
    fn counters(&self, idp: &Idp) -> Vec<Counter> {
        let limits = &idp.settings.limits;
        let pair_limit = limits.per_user_and_address;
        if let Some(browser) = self.known_browser {
            let key = idp.throttle.key("browser", browser);
            return vec![Counter::cleared_by_success(key, pair_limit)];
        }
        let address = self.address.to_string();
        let pair = format!("{address}\n{}", self.name);
        vec![
            Counter::new(idp.throttle.key("address", &address), limits.per_address),
            Counter::cleared_by_success(idp.throttle.key("pair", &pair), pair_limit),
        ]
    }
}

impl Admitted {
    /// The password is looked at now: the counts stand unless it is right.
    pub fn stands(mut self) -> Standing {
        self.is_open = false;
        Standing {
            store: Arc::clone(&self.store),
            counted: std::mem::take(&mut self.counted),
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let counted = std::mem::take(&mut self.counted);
        if !self.is_open || counted.is_empty() {
            return;
        }
        let store = Arc::clone(&self.store);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                for counted in counted {
                    counted.give_back(&*store).await;
                }
            });
        }
    }
}

/// A try whose password is being looked at.
pub struct Standing {
    store: SharedStore,
    counted: Vec<Counted>,
}

impl Standing {
    /// The password was right. The failures of this user at this address are
    /// forgotten; those of the address alone are not, or a guesser with one
    /// account could reset them.
    pub async fn succeeded(self) {
        for counted in self.counted {
            counted.succeeded(&*self.store).await;
        }
    }
}
