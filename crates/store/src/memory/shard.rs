//! A part of the keys: a map, and the same keys in the order of their expiry.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use kit::clock::Timestamp;

use super::ordered_set::{OrderedSet, Room};
use crate::{StoreError, ttl};

/// How many expired entries a write clears away. More than it can add, so a
/// backlog shrinks; few, so that no write pays for a whole backlog.
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
    room: usize,
    room_for_members: Arc<Room>,
}

impl Shard {
    pub(super) fn new(room: usize, room_for_members: Arc<Room>) -> Self {
        Self {
            entries: HashMap::new(),
            by_expiry: BTreeSet::new(),
            room,
            room_for_members,
        }
    }

    pub(super) fn is_live(&self, key: &str, now: Timestamp) -> bool {
        self.entries.get(key).is_some_and(|held| held.expires > now)
    }

    /// The value at `key`. A set is refused.
    pub(super) fn value(
        &mut self,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<&mut Bytes>, StoreError> {
        match self.live(key, now) {
            None => Ok(None),
            Some(Content::Value(value)) => Ok(Some(value)),
            Some(Content::Set(_)) => Err(another_type()),
        }
    }

    /// The ordered set at `key`. A value is refused.
    pub(super) fn ordered_set(
        &mut self,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<&mut OrderedSet>, StoreError> {
        match self.live(key, now) {
            None => Ok(None),
            Some(Content::Set(set)) => Ok(Some(set)),
            Some(Content::Value(_)) => Err(another_type()),
        }
    }

    fn live(&mut self, key: &str, now: Timestamp) -> Option<&mut Content> {
        self.entries
            .get_mut(key)
            .filter(|held| held.expires > now)
            .map(|held| &mut held.content)
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

    /// Ranks `member` in the set at `key`, which then lasts `ttl` at least, and
    /// gives how many it has.
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
            self.prolong(key, expires);
            return Ok(count);
        }
        let mut set = OrderedSet::new(Arc::clone(&self.room_for_members));
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
        // Before the bound is looked at: what has expired takes nobody's room.
        self.sweep(now);
        if self.entries.len() >= self.room {
            return Err(StoreError::Refused("the memory store is full".to_owned()));
        }
        let key: Arc<str> = Arc::from(key);
        self.by_expiry.insert((expires, Arc::clone(&key)));
        self.entries.insert(key, Entry { content, expires });
        Ok(())
    }

    fn prolong(&mut self, key: &str, expires: Timestamp) {
        if self
            .entries
            .get(key)
            .is_none_or(|held| held.expires >= expires)
        {
            return;
        }
        if let Some((key, mut held)) = self.entries.remove_entry(key) {
            self.by_expiry.remove(&(held.expires, Arc::clone(&key)));
            self.by_expiry.insert((expires, Arc::clone(&key)));
            held.expires = expires;
            self.entries.insert(key, held);
        }
    }

    /// Makes `key` hold nothing; whether it held something.
    pub(super) fn remove(&mut self, key: &str, now: Timestamp) -> bool {
        self.drop_entry(key).is_some_and(|held| held.expires > now)
    }

    /// A set ends with its last member.
    pub(super) fn remove_empty(&mut self, key: &str, now: Timestamp) {
        if let Some(Content::Set(set)) = self.live(key, now)
            && set.is_empty()
        {
            self.remove(key, now);
        }
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

    /// How many members the sets of all shards hold.
    #[cfg(test)]
    pub(super) fn all_members(&self) -> usize {
        self.room_for_members.held()
    }

    #[cfg(test)]
    pub(super) fn indexed(&self) -> usize {
        self.by_expiry.len()
    }
}

fn end(now: Timestamp, ttl: Duration) -> Timestamp {
    now + Duration::from_millis(ttl::millis(ttl))
}

fn another_type() -> StoreError {
    StoreError::Refused("the key holds another type".to_owned())
}
