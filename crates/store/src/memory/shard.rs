//! A part of the keys: a map, and the same keys in the order of their expiry.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use kit::clock::Timestamp;

use crate::{StoreError, ttl};

/// How many expired entries a write clears away. More than it can add, so a
/// backlog shrinks; few, so that no write pays for a whole backlog.
const SWEEP_PER_WRITE: usize = 4;

pub(super) struct Entry {
    pub(super) value: Bytes,
    expires: Timestamp,
}

impl Entry {
    pub(super) fn increment(&mut self) -> Result<u64, StoreError> {
        let sum = std::str::from_utf8(&self.value)
            .ok()
            .and_then(|text| text.parse::<u64>().ok());
        let Some(sum) = sum.and_then(|sum| sum.checked_add(1)) else {
            return Err(StoreError::Refused(
                "the key does not hold a counter".to_owned(),
            ));
        };
        self.value = Bytes::from(sum.to_string());
        Ok(sum)
    }
}

pub(super) struct Shard {
    entries: HashMap<Arc<str>, Entry>,
    /// The same keys, the first to expire first.
    by_expiry: BTreeSet<(Timestamp, Arc<str>)>,
    room: usize,
}

impl Shard {
    pub(super) fn new(room: usize) -> Self {
        Self {
            entries: HashMap::new(),
            by_expiry: BTreeSet::new(),
            room,
        }
    }

    pub(super) fn live(&mut self, key: &str, now: Timestamp) -> Option<&mut Entry> {
        self.entries.get_mut(key).filter(|held| held.expires > now)
    }

    pub(super) fn set(
        &mut self,
        key: &str,
        value: Bytes,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        self.drop_entry(key);
        // Before the bound is looked at: what has expired takes nobody's room.
        self.sweep(now);
        if self.entries.len() >= self.room {
            return Err(StoreError::Refused("the memory store is full".to_owned()));
        }
        let key: Arc<str> = Arc::from(key);
        let expires = now + Duration::from_millis(ttl::millis(ttl));
        self.by_expiry.insert((expires, Arc::clone(&key)));
        self.entries.insert(key, Entry { value, expires });
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &str, now: Timestamp) -> Option<Bytes> {
        self.drop_entry(key)
            .filter(|held| held.expires > now)
            .map(|held| held.value)
    }

    fn drop_entry(&mut self, key: &str) -> Option<Entry> {
        let (key, held) = self.entries.remove_entry(key)?;
        self.by_expiry.remove(&(held.expires, key));
        Some(held)
    }

    fn sweep(&mut self, now: Timestamp) {
        for _ in 0..SWEEP_PER_WRITE {
            match self.by_expiry.first() {
                Some((expires, _)) if *expires <= now => {}
                _ => return,
            }
            if let Some((_, key)) = self.by_expiry.pop_first() {
                self.entries.remove(&key);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    #[cfg(test)]
    pub(super) fn indexed(&self) -> usize {
        self.by_expiry.len()
    }
}
