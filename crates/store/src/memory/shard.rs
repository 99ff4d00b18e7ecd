//! A shard of the keys: a map, and the same keys in the order of their expiry.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use kit::clock::Timestamp;

use super::{
    full,
    ordered_set::{MemberLimit, OrderedSet},
};
use crate::{StoreError, ttl};

/// How many expired entries a write removes: more than it adds, so that a backlog
/// shrinks, and few, so that no write is slow.
const SWEEP_PER_WRITE: usize = 4;

enum Content {
    Value(Bytes),
    Set(OrderedSet),
}

struct Entry {
    content: Content,
    expires: Timestamp,
}

pub(super) struct Shard {
    entries: HashMap<Arc<str>, Entry>,
    /// The same keys, the first to expire first.
    by_expiry: BTreeSet<(Timestamp, Arc<str>)>,
    max_entries: usize,
    member_limit: Arc<MemberLimit>,
}

impl Shard {
    pub(super) fn new(max_entries: usize, member_limit: Arc<MemberLimit>) -> Self {
        Self {
            entries: HashMap::new(),
            by_expiry: BTreeSet::new(),
            max_entries,
            member_limit,
        }
    }

    pub(super) fn is_live(&self, key: &str, now: Timestamp) -> bool {
        let entry = self.entries.get(key);
        entry.is_some_and(|entry| entry.expires > now)
    }

    /// The value of `key`. A set is refused.
    pub(super) fn value(
        &mut self,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<&mut Bytes>, StoreError> {
        match self.live(key, now) {
            None => Ok(None),
            Some(Content::Value(value)) => Ok(Some(value)),
            Some(Content::Set(_)) => Err(wrong_type()),
        }
    }

    /// The ordered set of `key`. A value is refused.
    pub(super) fn ordered_set(
        &mut self,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<&mut OrderedSet>, StoreError> {
        match self.live(key, now) {
            None => Ok(None),
            Some(Content::Set(set)) => Ok(Some(set)),
            Some(Content::Value(_)) => Err(wrong_type()),
        }
    }

    fn live(&mut self, key: &str, now: Timestamp) -> Option<&mut Content> {
        let entry = self.entries.get_mut(key);
        let live = entry.filter(|entry| entry.expires > now);
        live.map(|entry| &mut entry.content)
    }

    pub(super) fn set(
        &mut self,
        key: &str,
        value: Bytes,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        self.insert(key, Content::Value(value), now, end(now, ttl))
    }

    /// Adds `member` to the set of `key`, which then lasts for `ttl` at least. Returns
    /// the number of members.
    pub(super) fn add_scored(
        &mut self,
        key: &str,
        member: &str,
        at: Timestamp,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<u64, StoreError> {
        self.sweep(now);
        let expires = end(now, ttl);
        if let Some(set) = self.ordered_set(key, now)? {
            set.add_scored(member, at)?;
            let count = set.len();
            self.extend(key, expires);
            return Ok(count);
        }
        let mut set = OrderedSet::new(Arc::clone(&self.member_limit));
        set.add_scored(member, at)?;
        self.insert(key, Content::Set(set), now, expires)
            .map(|()| 1)
    }

    fn insert(
        &mut self,
        key: &str,
        content: Content,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        self.drop_entry(key);
        // Expired entries do not count in the limit.
        self.sweep(now);
        if self.entries.len() >= self.max_entries {
            return Err(full());
        }
        let key: Arc<str> = Arc::from(key);
        self.by_expiry.insert((expires, Arc::clone(&key)));
        self.entries.insert(key, Entry { content, expires });
        Ok(())
    }

    /// Moves the expiry of `key` to `expires` if that is later.
    fn extend(&mut self, key: &str, expires: Timestamp) {
        let Some((key, entry)) = self.entries.get_key_value(key) else {
            return;
        };
        if entry.expires >= expires {
            return;
        }
        let (key, before) = (Arc::clone(key), entry.expires);
        self.by_expiry.remove(&(before, Arc::clone(&key)));
        self.by_expiry.insert((expires, Arc::clone(&key)));
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.expires = expires;
        }
    }

    /// Removes `key`. Returns whether it held something.
    pub(super) fn remove(&mut self, key: &str, now: Timestamp) -> bool {
        let removed = self.drop_entry(key);
        removed.is_some_and(|entry| entry.expires > now)
    }

    /// Removes the set of `key` if it has no member.
    pub(super) fn remove_empty(&mut self, key: &str, now: Timestamp) {
        if let Some(Content::Set(set)) = self.live(key, now)
            && set.is_empty()
        {
            self.remove(key, now);
        }
    }

    fn drop_entry(&mut self, key: &str) -> Option<Entry> {
        let (key, entry) = self.entries.remove_entry(key)?;
        self.by_expiry.remove(&(entry.expires, key));
        Some(entry)
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

    /// The number of entries, expired ones included, in both orders.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.entries.len(), self.by_expiry.len())
    }

    /// The number of members of the sets of all shards.
    #[cfg(test)]
    pub(super) fn members(&self) -> usize {
        self.member_limit.members()
    }
}

fn end(now: Timestamp, ttl: Duration) -> Timestamp {
    now + Duration::from_millis(ttl::millis(ttl))
}

fn wrong_type() -> StoreError {
    StoreError::Refused("the key holds another type".to_owned())
}
