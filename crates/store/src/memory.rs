//! The store in this process's memory, for the one process and for tests.
//!
//! Entries are spread over shards, each behind a mutex that is locked for one map
//! operation and never across an await. An expired entry counts as absent at once;
//! each write frees the memory of a few.

mod ordered_set;
mod shard;
#[cfg(test)]
mod tests;

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use kit::clock::{Clock, Timestamp};
use parking_lot::Mutex;

use self::{
    ordered_set::{OrderedSet, Room},
    shard::Shard,
};
use crate::{Allowance, Entry, Store, StoreError, ordered};

/// The most entries of a [`MemoryStore`] by default, and the most members of all its
/// ordered sets. It protects the process's memory. A full store ends the service for
/// everybody, so nobody may be able to fill it: anonymous clients have a
/// [`Budget`](crate::Budget), users have quotas.
pub const MAX_ENTRIES: usize = 1_000_000;

const SHARDS: usize = 16;

/// A store that lives as long as this process.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

impl MemoryStore {
    /// An empty store, whose entries expire by `clock`, for [`MAX_ENTRIES`].
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_max_entries(clock, MAX_ENTRIES)
    }

    /// An empty store for `max_entries` (rounded up to a multiple of 16), where an
    /// ordered set is one entry, and for as many members of all sets together. A new
    /// key beyond that is [`StoreError::Refused`] until others expire or are removed;
    /// an existing key can still be overwritten. Each shard has a sixteenth of the
    /// capacity, so the first refusal comes a little before all are full.
    pub fn with_max_entries(clock: Arc<dyn Clock>, max_entries: usize) -> Self {
        let room = max_entries.div_ceil(SHARDS);
        let members = Arc::new(Room::new(max_entries));
        let shards = std::array::from_fn(|_| Mutex::new(Shard::new(room, Arc::clone(&members))));
        Self {
            clock,
            hasher: RandomState::new(),
            shards,
        }
    }

    /// Runs `work` with exclusive access to the shard of `key`.
    fn with_shard<T>(&self, key: &str, work: impl FnOnce(&mut Shard, Timestamp) -> T) -> T {
        let at = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        // The time is read under the lock, so that the writers of a key have one order.
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
        self.with_shard(key, |shard, now| {
            if shard.is_live(key, now) {
                return Ok(false);
            }
            shard.set(key, value, now, ttl).map(|()| true)
        })
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.with_shard(key, |shard, now| Ok(shard.value(key, now)?.cloned()))
    }

    async fn take(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.with_shard(key, |shard, now| {
            let held = shard.value(key, now)?.cloned();
            shard.remove(key, now);
            Ok(held)
        })
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: &[u8],
        new: Bytes,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        self.with_shard(key, |shard, now| match shard.value(key, now)? {
            Some(held) if *held == expected => shard.set(key, new, now, ttl).map(|()| true),
            _ => Ok(false),
        })
    }

    async fn remove(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.with_shard(key, |shard, now| shard.remove(key, now)))
    }

    async fn increment(&self, key: &str, ttl: Duration) -> Result<u64, StoreError> {
        self.with_shard(key, |shard, now| match shard.value(key, now)? {
            Some(held) => increment(held),
            None => shard
                .set(key, Bytes::from_static(b"1"), now, ttl)
                .map(|()| 1),
        })
    }

    async fn decrement(&self, key: &str) -> Result<(), StoreError> {
        self.with_shard(key, |shard, now| {
            let left = match shard.value(key, now)? {
                Some(held) => decrement(held)?,
                None => return Ok(()),
            };
            if left == 0 {
                shard.remove(key, now);
            }
            Ok(())
        })
    }

    async fn lease(&self, key: &str, holder: &str, ttl: Duration) -> Result<bool, StoreError> {
        self.with_shard(key, |shard, now| match shard.value(key, now)? {
            Some(held) if *held != holder.as_bytes() => Ok(false),
            _ => shard
                .set(key, Bytes::copy_from_slice(holder.as_bytes()), now, ttl)
                .map(|()| true),
        })
    }

    async fn release(&self, key: &str, holder: &str) -> Result<bool, StoreError> {
        self.with_shard(key, |shard, now| match shard.value(key, now)? {
            Some(held) if *held == holder.as_bytes() => Ok(shard.remove(key, now)),
            _ => Ok(false),
        })
    }

    async fn add_scored(
        &self,
        key: &str,
        member: &str,
        at: Timestamp,
        ttl: Duration,
    ) -> Result<u64, StoreError> {
        ordered::check(member)?;
        self.with_shard(key, |shard, now| {
            shard.add_scored(key, member, at, now, ttl)
        })
    }

    async fn range(
        &self,
        key: &str,
        from: Timestamp,
        limit: usize,
    ) -> Result<Vec<(String, Timestamp)>, StoreError> {
        self.with_shard(key, |shard, now| {
            let set = shard.ordered_set(key, now)?;
            Ok(set.map_or_else(Vec::new, |set| set.range(from, limit)))
        })
    }

    async fn count_range(&self, key: &str, from: Timestamp) -> Result<u64, StoreError> {
        self.with_shard(key, |shard, now| {
            let set = shard.ordered_set(key, now)?;
            Ok(set.map_or(0, |set| set.count_range(from)))
        })
    }

    async fn score(&self, key: &str, member: &str) -> Result<Option<Timestamp>, StoreError> {
        self.with_shard(key, |shard, now| {
            let set = shard.ordered_set(key, now)?;
            Ok(set.and_then(|set| set.score(member)))
        })
    }

    async fn remove_scored(&self, key: &str, member: &str) -> Result<bool, StoreError> {
        self.with_shard(key, |shard, now| {
            let Some(set) = shard.ordered_set(key, now)? else {
                return Ok(false);
            };
            let was_in = set.remove_scored(member);
            shard.remove_empty(key, now);
            Ok(was_in)
        })
    }

    async fn claim(
        &self,
        key: &str,
        due: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.with_shard(key, |shard, now| {
            let set = shard.ordered_set(key, now)?;
            Ok(set.map_or_else(Vec::new, |set| set.claim(due, until, limit)))
        })
    }

    async fn admit(
        &self,
        key: &str,
        entry: &Entry,
        times: (Timestamp, Timestamp),
        allowance: &Allowance,
    ) -> Result<Option<Vec<Entry>>, StoreError> {
        let member = entry.member()?;
        self.with_shard(key, |shard, now| {
            let gone = match shard.ordered_set(key, now)? {
                Some(set) => set.make_room(&member, &entry.charge, times.0, allowance),
                None => OrderedSet::empty_has_room(&entry.charge, allowance),
            };
            let Some(gone) = gone else {
                shard.remove_empty(key, now);
                return Ok(None);
            };
            let ttl = times.0.until(times.1);
            shard.add_scored(key, &member, times.1, now, ttl)?;
            Ok(Some(gone.iter().filter_map(|m| m.parse().ok()).collect()))
        })
    }
}

/// Adds one to the counter in `value`, a decimal number.
fn increment(value: &mut Bytes) -> Result<u64, StoreError> {
    let sum = counter(value).and_then(|sum| sum.checked_add(1));
    let sum = sum.ok_or_else(no_counter)?;
    *value = Bytes::from(sum.to_string());
    Ok(sum)
}

/// Subtracts one from it.
fn decrement(value: &mut Bytes) -> Result<u64, StoreError> {
    let left = counter(value).ok_or_else(no_counter)?.saturating_sub(1);
    *value = Bytes::from(left.to_string());
    Ok(left)
}

fn counter(value: &Bytes) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn no_counter() -> StoreError {
    StoreError::Refused("the key does not hold a counter".to_owned())
}
