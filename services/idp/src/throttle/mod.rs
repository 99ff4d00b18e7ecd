//! Slows down repeated failures at sign-in, and wrong codes of devices. An attempt is counted before its password is
//! checked, and refused if it cannot be counted; a success takes its count back. The
//! counters are in the store, so that replicas count together.
//!
//! | counter | over its limit |
//! |---|---|
//! | an address (a class may share one) | one attempt at a time, with a wait between |
//! | a user name at an address | the same |
//! | a user name over all addresses | each attempt is delayed, none is refused |
//! | a browser that this user has signed in with | as the first; it replaces all others |
//! | wrong codes of devices from an address, and in a login session | as the first |

mod counter;
mod delay;
mod table;

use std::{sync::Arc, time::Duration};

use counter::{Counted, Counter};
pub use delay::Delays;
use store::{SharedStore, StoreError};
pub use table::CounterKeys;
use web_kit::client::AddrBucket;

use crate::Idp;

/// One attempt to sign in.
pub struct Attempt<'a> {
    /// The prepared user name (RFC 8265).
    pub name: &'a str,
    /// The address of the client.
    pub address: AddrBucket,
    /// The browser, if this user has signed in with it.
    pub known_browser: Option<&'a str>,
}

/// An attempt that was counted. If it is dropped before its password is checked, its
/// counts are taken back.
pub struct Admitted {
    store: SharedStore,
    counted: Vec<Counted>,
    /// How long to delay the attempt.
    pub delay: Duration,
    is_uncommitted: bool,
}

impl Attempt<'_> {
    /// The time to wait, if it is too early. Nothing is counted.
    pub async fn wait_time(&self, idp: &Idp) -> Result<Option<Duration>, StoreError> {
        for counter in self.counters(idp) {
            if let Some(left) = counter.left(idp).await? {
                return Ok(Some(left));
            }
        }
        Ok(None)
    }

    /// Counts the attempt. `Err` with the time to wait if it is too early. The caller
    /// holds a slot for the password check: so at most as many attempts are in progress
    /// as there are slots, and a class that signs in at once is not refused.
    pub async fn admit(&self, idp: &Idp) -> Result<Result<Admitted, Duration>, StoreError> {
        let limits = &idp.settings.limits;
        let mut admitted = match Admitted::by(idp, self.counters(idp)).await? {
            Ok(admitted) => admitted,
            Err(wait) => return Ok(Err(wait)),
        };
        if self.known_browser.is_none() {
            let user = idp.throttle.key("user", self.name);
            let (sum, counted) = counter::count(idp, user).await?;
            admitted.counted.push(counted);
            admitted.delay = delay::of(sum, limits);
        }
        Ok(Ok(admitted))
    }

    /// The counter of the address comes first: so one address creates at most as many
    /// counters of names as it may have failures.
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

/// One attempt to find a device by its user code (RFC 8628 §5.1).
pub struct CodeAttempt<'a> {
    /// The login session.
    pub sid: &'a str,
    /// The address of the client.
    pub address: AddrBucket,
}

impl CodeAttempt<'_> {
    /// Counts the attempt, before the code is looked up. `Err` with the time to wait if it
    /// is too early. A right code takes back its own count and no other: a guesser can
    /// have devices of their own.
    pub async fn count(&self, idp: &Idp) -> Result<Result<Committed, Duration>, StoreError> {
        let limits = &idp.settings.limits;
        // The tables of sign-ins have room for these counters too.
        let address = idp
            .throttle
            .key("address", &format!("code\n{}", self.address));
        let session = idp.throttle.key("browser", &format!("code\n{}", self.sid));
        let counters = vec![
            Counter::new(address, limits.per_address),
            Counter::new(session, limits.per_user_and_address),
        ];
        Ok(Admitted::by(idp, counters).await?.map(Admitted::commit))
    }
}

impl Admitted {
    /// Counts an attempt in `counters`, in their order.
    async fn by(idp: &Idp, counters: Vec<Counter>) -> Result<Result<Self, Duration>, StoreError> {
        let mut admitted = Self {
            store: Arc::clone(idp.records.store()),
            counted: Vec::new(),
            delay: Duration::ZERO,
            is_uncommitted: true,
        };
        for counter in counters {
            match counter.admit(idp).await? {
                Ok(counted) => admitted.counted.push(counted),
                Err(wait) => return Ok(Err(wait)),
            }
        }
        Ok(Ok(admitted))
    }

    /// Commits the counts: the password is checked now.
    pub fn commit(mut self) -> Committed {
        self.is_uncommitted = false;
        Committed {
            store: Arc::clone(&self.store),
            counted: std::mem::take(&mut self.counted),
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let counted = std::mem::take(&mut self.counted);
        if !self.is_uncommitted || counted.is_empty() {
            return;
        }
        let store = Arc::clone(&self.store);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                for counted in counted {
                    counted.revert(&*store).await;
                }
            });
        }
    }
}

/// An attempt whose password is being checked.
pub struct Committed {
    store: SharedStore,
    counted: Vec<Counted>,
}

impl Committed {
    /// Records a right password. The failures of this user at this address are cleared;
    /// those of the address are not: a guesser with one account could reset them.
    pub async fn succeeded(self) {
        for counted in self.counted {
            counted.succeeded(&*self.store).await;
        }
    }
}
