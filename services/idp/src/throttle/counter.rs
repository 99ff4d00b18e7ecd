//! One counter of attempts. Below its limit attempts are admitted. From then on one is
//! admitted at a time, each followed by a wait that doubles.

use std::time::Duration;

use kit::clock::Timestamp;
use store::{Store, StoreError};

use crate::Idp;

/// The first wait.
const FIRST_WAIT: Duration = Duration::from_secs(1);

pub(super) struct Counter {
    key: String,
    limit: u64,
    cleared_by_success: bool,
}

/// What an attempt has written to the store.
pub(super) struct Counted {
    key: String,
    /// The value of the wait after this attempt, if it was over the limit.
    wait: Option<String>,
    cleared_by_success: bool,
}

/// Counts without a limit.
pub(super) async fn count(idp: &Idp, key: String) -> Result<(u64, Counted), StoreError> {
    let remembered = idp.settings.limits.remembered;
    let sum = idp.records.store().increment(&key, remembered).await?;
    let counted = Counted {
        key,
        wait: None,
        cleared_by_success: false,
    };
    Ok((sum, counted))
}

impl Counter {
    /// A counter that a success decrements.
    pub(super) fn new(key: String, limit: u64) -> Self {
        Self {
            key,
            limit,
            cleared_by_success: false,
        }
    }

    /// A counter that a success resets.
    pub(super) fn cleared_by_success(key: String, limit: u64) -> Self {
        Self {
            cleared_by_success: true,
            ..Self::new(key, limit)
        }
    }

    /// Counts an attempt. `Err` with the time to wait if it is too early; it is not
    /// counted then.
    pub(super) async fn admit(self, idp: &Idp) -> Result<Result<Counted, Duration>, StoreError> {
        let (store, limits) = (idp.records.store(), &idp.settings.limits);
        let wait_key = wait_key(&self.key);
        if let Some(left) = self.left(idp).await? {
            return Ok(Err(left));
        }
        let sum = store.increment(&self.key, limits.remembered).await?;
        let mut counted = Counted {
            key: self.key.clone(),
            wait: None,
            cleared_by_success: self.cleared_by_success,
        };
        if sum < self.limit {
            return Ok(Ok(counted));
        }
        // One of all concurrent attempts is admitted.
        let first = mark(idp, FIRST_WAIT);
        if !store.lease(&wait_key, &first, FIRST_WAIT).await? {
            store.decrement(&self.key).await?;
            return Ok(Err(self.left(idp).await?.unwrap_or(FIRST_WAIT)));
        }
        let over = store
            .increment(&over_key(&self.key), limits.remembered)
            .await?;
        let wait = waiting_time(over, limits.longest_wait);
        let mark = mark(idp, wait);
        store.put(&wait_key, mark.clone().into(), wait).await?;
        counted.wait = Some(mark);
        Ok(Ok(counted))
    }

    /// The rest of the current wait.
    pub(super) async fn left(&self, idp: &Idp) -> Result<Option<Duration>, StoreError> {
        let held = idp.records.store().get(&wait_key(&self.key)).await?;
        let until = held.and_then(|raw| {
            let text = std::str::from_utf8(&raw).ok()?;
            text.split('.').next()?.parse().ok()
        });
        let left = until.map(|until| idp.now().until(Timestamp::from_millis(until)));
        Ok(left.filter(|left| !left.is_zero()))
    }
}

impl Counted {
    /// Takes the count back. If the store fails, the count stands: an error here never
    /// admits anybody.
    pub(super) async fn revert(self, store: &dyn Store) {
        let done = async {
            store.decrement(&self.key).await?;
            if let Some(mark) = &self.wait {
                store.release(&wait_key(&self.key), mark).await?;
                store.decrement(&over_key(&self.key)).await?;
            }
            Ok(())
        };
        logged(done.await);
    }

    /// Records a success.
    pub(super) async fn succeeded(self, store: &dyn Store) {
        if !self.cleared_by_success {
            return self.revert(store).await;
        }
        let done = async {
            store.remove(&self.key).await?;
            if self.wait.is_some() {
                store.remove(&wait_key(&self.key)).await?;
                store.remove(&over_key(&self.key)).await?;
            }
            Ok(())
        };
        logged(done.await);
    }
}

fn logged(done: Result<(), StoreError>) {
    if let Err(error) = done {
        tracing::warn!("a successful sign-in remains counted as a failure: {error}");
    }
}

pub(super) fn wait_key(key: &str) -> String {
    format!("{key}:wait")
}

/// Counts the attempts that were admitted over the limit.
pub(super) fn over_key(key: &str) -> String {
    format!("{key}:over")
}

/// The end of a wait, and a unique id of its owner.
fn mark(idp: &Idp, wait: Duration) -> String {
    mark_of(idp.now() + wait, &idp.random.id())
}

pub(super) fn mark_of(until: Timestamp, id: &str) -> String {
    format!("{}.{id}", until.millis())
}

/// One second, doubled each time.
fn waiting_time(over: u64, longest: Duration) -> Duration {
    let doublings = u32::try_from(over.saturating_sub(1).min(20)).unwrap_or(20);
    Duration::from_secs(1 << doublings).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let longest = Duration::from_secs(300);
        let waits: Vec<_> = (1..=4)
            .map(|over| waiting_time(over, longest).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8]);
        assert_eq!(waiting_time(99, longest), longest);
    }
}
