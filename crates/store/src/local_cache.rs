//! A cache in this process that the store's invalidations keep up to date. While
//! the [`Watch`] cannot guarantee them, the cache returns nothing.
//!
//! An invalidation can overtake a read in flight. So a reader registers a
//! [`PendingRead`] before it asks the store, and an invalidation cancels it.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use kit::bounded_cache::BoundedCache;
use parking_lot::Mutex;

use crate::{Watch, Watcher};

const SHARDS: usize = 16;

/// Cached values of one kind, by name: the part of their keys behind the prefix.
pub struct LocalCache<T> {
    entries: Arc<CacheEntries<T>>,
    /// `None`: nothing is cached.
    watch: Option<Arc<Watch>>,
}

/// The entries of a [`LocalCache`], which the store's watch invalidates.
pub struct CacheEntries<T> {
    prefix: String,
    hasher: RandomState,
    shards: [Mutex<Shard<T>>; SHARDS],
    /// The id of the next read.
    next: AtomicU64,
}

type Shard<T> = BoundedCache<Arc<str>, CacheEntry<T>>;

enum CacheEntry<T> {
    /// The read `id` is in flight for `readers`, and no invalidation came since.
    Pending { id: u64, readers: u32 },
    /// The cached value.
    Cached(T),
}

/// A read of the store in flight. [`PendingRead::complete`] caches its result.
pub struct PendingRead<'c, T> {
    entries: &'c CacheEntries<T>,
    name: &'c str,
    id: u64,
}

impl<T: Clone> LocalCache<T> {
    /// A cache of `entries`, which `watch` invalidates. Without a watch (the store
    /// is in this process) nothing is cached.
    pub const fn new(entries: Arc<CacheEntries<T>>, watch: Option<Arc<Watch>>) -> Self {
        Self { entries, watch }
    }

    /// The value of `name`, if it is cached and the watch is current.
    pub fn get(&self, name: &str) -> Option<T> {
        if !self.watch.as_ref().is_some_and(|watch| watch.is_current()) {
            return None;
        }
        match self.entries.shard(name).lock().get(name) {
            Some(CacheEntry::Cached(value)) => Some(value.clone()),
            _ => None,
        }
    }

    /// Registers a read of the store. `None`: nothing is cached.
    pub fn begin_read<'c>(&'c self, name: &'c str) -> Option<PendingRead<'c, T>> {
        self.watch.as_ref()?;
        let entries = &*self.entries;
        let mut shard = entries.shard(name).lock();
        if let Some(CacheEntry::Pending { id, readers }) = shard.get_mut(name) {
            *readers += 1;
            let id = *id;
            return Some(PendingRead { entries, name, id });
        }
        // A caller that reads a cached value again needs a newer one.
        let id = entries.next.fetch_add(1, Relaxed);
        shard.insert(name.into(), CacheEntry::Pending { id, readers: 1 });
        Some(PendingRead { entries, name, id })
    }

    /// Removes `name`, which this process has changed itself: the invalidation may
    /// arrive later.
    pub fn invalidate(&self, name: &str) {
        self.entries.remove(name);
    }
}

impl<T> PendingRead<'_, T> {
    /// Caches `value`, unless an invalidation came while it was read.
    pub fn complete(self, value: T) {
        let mut shard = self.entries.shard(self.name).lock();
        if let Some(entry) = shard.get_mut(self.name)
            && entry.is_pending(self.id)
        {
            *entry = CacheEntry::Cached(value);
        }
    }
}

impl<T> Drop for PendingRead<'_, T> {
    fn drop(&mut self) {
        let mut shard = self.entries.shard(self.name).lock();
        if let Some(CacheEntry::Pending { id, readers }) = shard.get_mut(self.name)
            && *id == self.id
        {
            *readers -= 1;
            if *readers == 0 {
                shard.remove(self.name);
            }
        }
    }
}

impl<T> CacheEntry<T> {
    const fn is_pending(&self, read: u64) -> bool {
        matches!(self, Self::Pending { id, .. } if *id == read)
    }
}

impl<T> CacheEntries<T> {
    /// Entries for the keys that begin with `prefix`, at most `capacity`.
    pub fn new(prefix: &str, capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            prefix: prefix.to_owned(),
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| {
                Mutex::new(BoundedCache::new(capacity.div_ceil(SHARDS)))
            }),
            next: AtomicU64::new(0),
        })
    }

    fn remove(&self, name: &str) {
        self.shard(name).lock().remove(name);
    }

    fn shard(&self, name: &str) -> &Mutex<Shard<T>> {
        let number = self.hasher.hash_one(name) % SHARDS as u64;
        &self.shards[usize::try_from(number).unwrap_or(0)]
    }
}

impl<T: Send + 'static> Watcher for CacheEntries<T> {
    fn invalidate(&self, key: &str) {
        if let Some(name) = key.strip_prefix(&self.prefix) {
            self.remove(name);
        }
    }

    fn invalidate_all(&self) {
        for shard in &self.shards {
            shard.lock().clear();
        }
    }
}
