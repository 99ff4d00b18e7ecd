//! The issuer's keys, kept: fetched again from time to time and when a token
//! is signed by one that is not there. A failed fetch keeps the old set.

use std::{sync::Arc, time::Duration};

use kit::{
    clock::{Clock, Timestamp},
    shutdown::Shutdown,
};
use parking_lot::RwLock;

use crate::{
    issuer::{FetchError, Issuer},
    keys::{Key, KeySet},
};

/// How often the set is fetched again.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Between regular fetches.
    pub refresh: Duration,
    /// Between fetches for the sake of unknown keys: a stranger can name as many
    /// as it likes.
    pub cooldown: Duration,
    /// The same after a fetch that failed.
    pub failed_cooldown: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(300),
            cooldown: Duration::from_secs(30),
            failed_cooldown: Duration::from_secs(1),
        }
    }
}

/// The keys of one issuer.
pub struct Jwks {
    issuer: Issuer,
    timing: Timing,
    clock: Arc<dyn Clock>,
    http: reqwest::Client,
    keys: RwLock<Option<Arc<KeySet>>>,
    /// From when on an unknown key is worth a fetch. Whoever holds the lock
    /// fetches; the others wait for what it brings.
    worth_asking: tokio::sync::Mutex<Timestamp>,
}

impl Jwks {
    /// The keys of `issuer`; none before the first [`refresh`](Self::refresh).
    pub fn new(issuer: Issuer, timing: Timing, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            http: issuer.http_client(),
            issuer,
            timing,
            clock,
            keys: RwLock::new(None),
            worth_asking: tokio::sync::Mutex::new(Timestamp::default()),
        })
    }

    /// Whose keys they are.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Fetches the set; the old one stays when that fails.
    pub async fn refresh(&self) -> Result<(), FetchError> {
        let document = self.issuer.fetch_jwks(&self.http).await?;
        let set = KeySet::parse(&document).map_err(|source| FetchError::Malformed {
            url: self.issuer.reach(self.issuer.name()),
            source,
        })?;
        *self.keys.write() = Some(Arc::new(set));
        Ok(())
    }

    /// Fetches the set from time to time until the drain. For a task of its own.
    pub async fn keep_fresh(self: Arc<Self>, shutdown: Shutdown) {
        loop {
            let pause = tokio::time::sleep(self.timing.refresh);
            if shutdown.unless_begun(pause).await.is_none() {
                return;
            }
            match shutdown.unless_begun(self.refresh()).await {
                None => return,
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::warn!("the issuer's keys stay as they were: {error}"),
            }
        }
    }

    /// Whether `key` is still one of the issuer's.
    pub(crate) fn holds(&self, key: &Arc<Key>) -> bool {
        self.keys.read().as_ref().is_some_and(|set| set.holds(key))
    }

    /// The set; `None` where it was never had.
    pub(crate) fn held(&self) -> Option<Arc<KeySet>> {
        self.keys.read().clone()
    }

    /// A set newer than `seen`, after a fetch if need be. `None` where there is
    /// none, or none was to be had, or the last fetch is too near.
    pub(crate) async fn newer_than(&self, seen: Option<&Arc<KeySet>>) -> Option<Arc<KeySet>> {
        let is_newer = |held: &Arc<KeySet>| seen.is_none_or(|seen| !Arc::ptr_eq(seen, held));
        let mut worth_asking = self.worth_asking.lock().await;
        // Another may have fetched it meanwhile.
        let held = self.held().filter(is_newer);
        let now = self.clock.now();
        if held.is_some() || now < *worth_asking {
            return held;
        }
        let cooldown = match self.refresh().await {
            Ok(()) => self.timing.cooldown,
            Err(error) => {
                tracing::warn!("the issuer's keys stay as they were: {error}");
                self.timing.failed_cooldown
            }
        };
        *worth_asking = now + cooldown;
        drop(worth_asking);
        self.held().filter(is_newer)
    }
}
