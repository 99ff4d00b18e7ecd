//! Repeated failures at sign-in are slowed: for a pair of user and address,
//! and for an address alone (a class may share one). The counters are in the
//! store, so that replicas count together.

use std::time::Duration;

use bytes::Bytes;
use kit::{clock::Timestamp, seal::fingerprint};
use store::StoreError;
use web_kit::client::ClientAddr;

use crate::state::Idp;

/// One try at signing in.
pub struct Attempt {
    counters: [Counter; 2],
}

struct Counter {
    key: String,
    limit: u64,
}

impl Attempt {
    /// A try of `username` from `address`.
    pub fn new(idp: &Idp, username: &str, address: ClientAddr) -> Self {
        let address = address.bucket();
        let limits = &idp.settings.limits;
        let pair = fingerprint(&format!("{address}\n{username}"));
        Self {
            counters: [
                Counter {
                    key: format!("idp:failed:{pair}"),
                    limit: limits.per_user_and_address,
                },
                Counter {
                    key: format!("idp:failed:{address}"),
                    limit: limits.per_address,
                },
            ],
        }
    }

    /// `Err` with the time to wait if it is too early. Once failures are over
    /// their limit each waiting time lets one try through, however many come
    /// at once.
    pub async fn begin(&self, idp: &Idp) -> Result<Result<(), Duration>, StoreError> {
        for counter in &self.counters {
            if let Some(wait) = counter.wait(idp).await? {
                return Ok(Err(wait));
            }
        }
        Ok(Ok(()))
    }

    /// The password was wrong.
    pub async fn failed(&self, idp: &Idp) -> Result<(), StoreError> {
        for counter in &self.counters {
            counter.add(idp).await?;
        }
        Ok(())
    }

    /// The password was right: the pair's failures are forgotten. Those of the
    /// address are not, or a guesser with one account could reset them.
    pub async fn succeeded(&self, idp: &Idp) -> Result<(), StoreError> {
        let pair = &self.counters[0];
        idp.records.store().remove(&pair.key).await?;
        idp.records.store().remove(&pair.wait_key()).await?;
        for counter in &self.counters {
            idp.records.store().remove(&counter.slot_key()).await?;
        }
        Ok(())
    }
}

impl Counter {
    fn wait_key(&self) -> String {
        format!("{}:wait", self.key)
    }

    fn slot_key(&self) -> String {
        format!("{}:slot", self.key)
    }

    async fn wait(&self, idp: &Idp) -> Result<Option<Duration>, StoreError> {
        let store = idp.records.store();
        let Some(raw) = store.get(&self.wait_key()).await? else {
            return Ok(None);
        };
        let until = std::str::from_utf8(&raw)
            .ok()
            .and_then(|text| text.parse().ok());
        let left = idp.now().until(Timestamp::from_millis(until.unwrap_or(0)));
        if !left.is_zero() {
            return Ok(Some(left));
        }
        // The wait is over, and its mark is kept: one try at a time from here on.
        let free = store
            .put_new(
                &self.slot_key(),
                Bytes::from_static(b"1"),
                Duration::from_secs(1),
            )
            .await?;
        Ok((!free).then_some(Duration::from_secs(1)))
    }

    async fn add(&self, idp: &Idp) -> Result<(), StoreError> {
        let limits = &idp.settings.limits;
        let store = idp.records.store();
        let failures = store.count(&self.key, limits.remembered).await?;
        if failures >= self.limit {
            let wait = waiting_time(failures - self.limit, limits.longest_wait);
            let until = (idp.now() + wait).millis().to_string();
            store
                .put(&self.wait_key(), until.into(), limits.remembered.max(wait))
                .await?;
            store.remove(&self.slot_key()).await?;
        }
        Ok(())
    }
}

/// A second, then twice as long each time.
fn waiting_time(over: u64, longest: Duration) -> Duration {
    let doublings = u32::try_from(over.min(20)).unwrap_or(20);
    Duration::from_secs(1 << doublings).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let longest = Duration::from_secs(300);
        let waits: Vec<_> = (0..4)
            .map(|over| waiting_time(over, longest).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8]);
        assert_eq!(waiting_time(99, longest), longest);
    }
}
