//! The store in this process's memory, for the one process and for tests.
//!
//! Keys are spread over shards. Each shard has a mutex, which is locked for one
//! operation and never across an await. An expired entry counts as absent at once,
//! and each write removes a few expired entries from its shard.

mod ordered_set;
mod shard;
#[cfg(test)]
mod tests;

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use kit::clock::{Clock, Timestamp};
use parking_lot::Mutex;

use self::{ordered_set::MemberLimit, shard::Shard};
use crate::{
    Allowance, Budgets, Counters, Entry, Leases, OrderedSets, Store, StoreError, Values,
    admission::make_room, ordered,
};

/// The limit of entries in a store, and of the members of all its ordered sets
/// together. It protects the process's memory. A full store ends the
/// service for everybody, so no client may be able to fill it: anonymous clients have
/// a [`Budget`](crate::Budget), users have quotas.
const MAX_ENTRIES: usize = 1_000_000;

const SHARDS: usize = 16;

/// A store that lives as long as this process.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

impl MemoryStore {
    /// An empty store, whose entries expire by `clock`. At a million entries, or members
    /// of ordered sets, it refuses new keys.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_max_entries(clock, MAX_ENTRIES)
    }

    /// A store for `max_entries`. An ordered set is one entry. At the limit a new key is
    /// refused until another expires or is removed; an existing key can still be
    /// overwritten. Each shard has its part of the limit, so the first refusal comes
    /// before all shards are full.
    fn with_max_entries(clock: Arc<dyn Clock>, max_entries: usize) -> Self {
        let per_shard = max_entries.div_ceil(SHARDS);
        let members = Arc::new(MemberLimit::new(max_entries));
        let shard = |_| Mutex::new(Shard::new(per_shard, Arc::clone(&members)));
        Self {
            clock,
            hasher: RandomState::new(),
            shards: std::array::from_fn(shard),
        }
    }

    /// Runs `work` with exclusive access to the shard of `key`.
    fn with_shard<T>(&self, key: &str, work: impl FnOnce(&mut Shard, Timestamp) -> T) -> T {
        let at = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        // The time is read under the lock, so that the writes to a key are in the
        // order of their times.
        let mut shard = self.shards[at].lock();
        work(&mut shard, self.clock.now())
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn kind(&self) -> &'static str {
        "memory"
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Values for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.with_shard(key, |shard, now| Ok(shard.value(key, now)?.cloned()))
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

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: &[u8],
        new: Bytes,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        self.with_shard(key, |shard, now| match shard.value(key, now)? {
            Some(value) if *value == expected => shard.set(key, new, now, ttl).map(|()| true),
            _ => Ok(false),
        })
    }

    async fn take(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.with_shard(key, |shard, now| {
            let value = shard.value(key, now)?.cloned();
            shard.remove(key, now);
            Ok(value)
        })
    }

    async fn remove(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.with_shard(key, |shard, now| shard.remove(key, now)))
    }
}

#[async_trait]
impl Counters for MemoryStore {
    async fn increment(&self, key: &str, ttl: Duration) -> Result<u64, StoreError> {
        self.with_shard(key, |shard, now| match shard.value(key, now)? {
            Some(value) => increment(value),
            None => shard
                .set(key, Bytes::from_static(b"1"), now, ttl)
                .map(|()| 1),
        })
    }

    async fn decrement(&self, key: &str) -> Result<(), StoreError> {
        self.with_shard(key, |shard, now| {
            let left = match shard.value(key, now)? {
                Some(value) => decrement(value)?,
                None => return Ok(()),
            };
            if left == 0 {
                shard.remove(key, now);
            }
            Ok(())
        })
    }
}

#[async_trait]
impl Leases for MemoryStore {
    async fn lease(&self, key: &str, holder: &str, ttl: Duration) -> Result<bool, StoreError> {
        self.with_shard(key, |shard, now| match shard.value(key, now)? {
            Some(current) if *current != holder.as_bytes() => Ok(false),
            _ => shard
                .set(key, Bytes::copy_from_slice(holder.as_bytes()), now, ttl)
                .map(|()| true),
        })
    }

    async fn release(&self, key: &str, holder: &str) -> Result<bool, StoreError> {
        self.with_shard(key, |shard, now| match shard.value(key, now)? {
            Some(current) if *current == holder.as_bytes() => Ok(shard.remove(key, now)),
            _ => Ok(false),
        })
    }
}

#[async_trait]
impl OrderedSets for MemoryStore {
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

    async fn remove_scored(&self, key: &str, member: &str) -> Result<bool, StoreError> {
        self.with_shard(key, |shard, now| {
            let Some(set) = shard.ordered_set(key, now)? else {
                return Ok(false);
            };
            let was_member = set.remove_scored(member);
            shard.remove_empty(key, now);
            Ok(was_member)
        })
    }

    async fn score(&self, key: &str, member: &str) -> Result<Option<Timestamp>, StoreError> {
        self.with_shard(key, |shard, now| {
            let set = shard.ordered_set(key, now)?;
            Ok(set.and_then(|set| set.score(member)))
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
}

#[async_trait]
impl Budgets for MemoryStore {
    async fn admit(
        &self,
        key: &str,
        entry: &Entry,
        (now, ends): (Timestamp, Timestamp),
        allowance: &Allowance,
    ) -> Result<Option<Vec<Entry>>, StoreError> {
        let member = entry.member()?;
        self.with_shard(key, |shard, store_now| {
            let evicted = match shard.ordered_set(key, store_now)? {
                Some(set) => set.evict_for(&member, &entry.charge, now, allowance),
                None => make_room(&[], &entry.charge, allowance).map(|_| Vec::new()),
            };
            let Some(evicted) = evicted else {
                // The last entries may have ended.
                shard.remove_empty(key, store_now);
                return Ok(None);
            };
            shard.add_scored(key, &member, ends, store_now, now.until(ends))?;
            Ok(Some(evicted))
        })
    }
}

/// Adds one to the counter in `value`, a decimal number.
fn increment(value: &mut Bytes) -> Result<u64, StoreError> {
    let sum = counter(value).and_then(|sum| sum.checked_add(1));
    let sum = sum.ok_or_else(not_a_counter)?;
    *value = Bytes::from(sum.to_string());
    Ok(sum)
}

/// Subtracts one from the counter in `value`.
fn decrement(value: &mut Bytes) -> Result<u64, StoreError> {
    let left = counter(value).ok_or_else(not_a_counter)?.saturating_sub(1);
    *value = Bytes::from(left.to_string());
    Ok(left)
}

fn counter(value: &Bytes) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn not_a_counter() -> StoreError {
    StoreError::Refused("the key does not hold a counter".to_owned())
}

fn full() -> StoreError {
    StoreError::Refused("the memory store is full".to_owned())
}
