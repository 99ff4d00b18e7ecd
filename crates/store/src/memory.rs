//! The store in this process's memory, for the one process and for tests.
//!
//! Entries are spread over shards, each behind a mutex that is held for one
//! map operation and never across an await. What has expired counts as absent
//! at once; its memory is given back a little with each write.

mod shard;

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use kit::clock::{Clock, Timestamp};
use parking_lot::Mutex;

use self::shard::Shard;
use crate::{Store, StoreError};

/// How many entries a [`MemoryStore`] holds unless told otherwise.
pub const MAX_ENTRIES: usize = 200_000;

const SHARDS: usize = 16;

/// A store that lives as long as this process.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

impl MemoryStore {
    /// An empty one, whose entries expire by `clock`. It holds [`MAX_ENTRIES`].
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_max_entries(clock, MAX_ENTRIES)
    }

    /// An empty one that never holds more than `max_entries` (rounded up to a
    /// multiple of 16). Beyond that a new key is [`StoreError::Refused`] until
    /// others expire or are removed; a key that is there can still be
    /// overwritten. Each sixteenth of the keys has its own sixteenth of the
    /// room, so the first refusal comes a little before all is full.
    pub fn with_max_entries(clock: Arc<dyn Clock>, max_entries: usize) -> Self {
        let room = max_entries.div_ceil(SHARDS);
        let shards = std::array::from_fn(|_| Mutex::new(Shard::new(room)));
        Self {
            clock,
            hasher: RandomState::new(),
            shards,
        }
    }

    /// Runs `work` on the shard of `key`, alone.
    fn with_shard<T>(&self, key: &str, work: impl FnOnce(&mut Shard, Timestamp) -> T) -> T {
        let at = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        // The time is read under the lock: two writers of a key then agree on the order.
        let mut shard = self.shards[at].lock();
        work(&mut shard, self.clock.now())
    }

    #[cfg(test)]
    fn held(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    fn kind(&self) -> &'static str {
        "memory"
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), StoreError> {
        self.with_shard(key, |shard, now| shard.set(key, value, now, ttl))
    }

    async fn put_new(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, StoreError> {
        self.with_shard(key, |shard, now| match shard.live(key, now) {
            Some(_) => Ok(false),
            None => shard.set(key, value, now, ttl).map(|()| true),
        })
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.with_shard(key, |shard, now| {
            shard.live(key, now).map(|held| held.value.clone())
        }))
    }

    async fn take(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.with_shard(key, |shard, now| shard.remove(key, now)))
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: &[u8],
        new: Bytes,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        self.with_shard(key, |shard, now| match shard.live(key, now) {
            Some(held) if held.value == expected => shard.set(key, new, now, ttl).map(|()| true),
            _ => Ok(false),
        })
    }

    async fn remove(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.with_shard(key, |shard, now| shard.remove(key, now).is_some()))
    }

    async fn count(&self, key: &str, ttl: Duration) -> Result<u64, StoreError> {
        self.with_shard(key, |shard, now| match shard.live(key, now) {
            Some(held) => held.increment(),
            None => shard
                .set(key, Bytes::from_static(b"1"), now, ttl)
                .map(|()| 1),
        })
    }

    async fn lease(&self, key: &str, holder: &str, ttl: Duration) -> Result<bool, StoreError> {
        self.with_shard(key, |shard, now| match shard.live(key, now) {
            Some(held) if held.value != holder.as_bytes() => Ok(false),
            _ => shard
                .set(key, Bytes::copy_from_slice(holder.as_bytes()), now, ttl)
                .map(|()| true),
        })
    }

    async fn release(&self, key: &str, holder: &str) -> Result<bool, StoreError> {
        Ok(
            self.with_shard(key, |shard, now| match shard.live(key, now) {
                Some(held) if held.value == holder.as_bytes() => shard.remove(key, now).is_some(),
                _ => false,
            }),
        )
    }
}

#[cfg(test)]
mod tests {
    use kit::clock::ManualClock;

    use super::*;
    use crate::contract::{self, Time};

    const MINUTE: Duration = Duration::from_secs(60);

    fn clock() -> Arc<ManualClock> {
        Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn it_keeps_the_contract() {
        let clock = clock();
        let store = Arc::new(MemoryStore::new(clock.clone()));
        contract::check(store, Time::Manual(&clock)).await.unwrap();
    }

    #[tokio::test]
    async fn an_entry_expires_to_the_millisecond() {
        let clock = clock();
        let store = MemoryStore::new(clock.clone());
        store
            .put("k", Bytes::from_static(b"v"), MINUTE)
            .await
            .unwrap();
        clock.advance(Duration::from_millis(59_999));
        assert!(store.get("k").await.unwrap().is_some());
        clock.advance(Duration::from_millis(1));
        assert!(store.get("k").await.unwrap().is_none());
        assert!(store.take("k").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_has_expired_gives_its_memory_back_as_others_write() {
        let clock = clock();
        let store = MemoryStore::new(clock.clone());
        for n in 0..1000 {
            store
                .put(&format!("old-{n}"), Bytes::new(), MINUTE)
                .await
                .unwrap();
        }
        clock.advance(MINUTE);
        for n in 0..1000 {
            store
                .put(&format!("new-{n}"), Bytes::new(), MINUTE)
                .await
                .unwrap();
        }
        assert_eq!(store.held(), 1000);
    }

    #[tokio::test]
    async fn overwriting_one_key_does_not_grow_the_store() {
        let store = MemoryStore::new(clock());
        for _ in 0..1000 {
            store.put("k", Bytes::new(), MINUTE).await.unwrap();
        }
        assert_eq!(store.held(), 1);
        let indexed: usize = store
            .shards
            .iter()
            .map(|shard| shard.lock().indexed())
            .sum();
        assert_eq!(indexed, 1);
    }

    #[tokio::test]
    async fn a_full_store_refuses_new_keys_until_others_expire() {
        let clock = clock();
        let store = MemoryStore::with_max_entries(clock.clone(), 32);
        let mut kept = Vec::new();
        let mut refused = Vec::new();
        for n in 0..500 {
            let key = format!("k{n}");
            match store.put(&key, Bytes::new(), MINUTE).await {
                Ok(()) => kept.push(key),
                Err(StoreError::Refused(_)) => refused.push(key),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!((kept.len(), store.held()), (32, 32));
        for key in &kept {
            store
                .put(key, Bytes::from_static(b"again"), MINUTE)
                .await
                .unwrap();
        }
        assert!(store.count(&refused[0], MINUTE).await.is_err());
        assert!(store.lease(&refused[0], "me", MINUTE).await.is_err());
        assert!(
            store
                .put_new(&refused[0], Bytes::new(), MINUTE)
                .await
                .is_err()
        );
        clock.advance(MINUTE);
        store.put(&refused[0], Bytes::new(), MINUTE).await.unwrap();
    }
}
