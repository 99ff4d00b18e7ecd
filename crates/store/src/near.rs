//! Values kept in the process: dropped when the store tells that they changed.
//! While it cannot promise to tell ([`Watch`]), nothing is taken from here.
//!
//! A read and the news of a change can cross on their way here. So who reads
//! leaves a mark first, and what was told of meanwhile is not kept.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

use crate::{Watch, Watcher};

const SHARDS: usize = 16;

/// Values of one kind, in this process, by name: what follows the prefix of
/// their keys.
pub struct Near<T> {
    copies: Arc<Copies<T>>,
    /// `None`: nothing is kept.
    watch: Option<Arc<Watch>>,
}

/// The copies, which the store's watch drops as it is told.
pub struct Copies<T> {
    prefix: String,
    room: usize,
    hasher: RandomState,
    shards: [Mutex<HashMap<String, Place<T>>>; SHARDS],
    /// Numbers the marks.
    next: AtomicU64,
}

enum Place<T> {
    /// Somebody is reading it, and nothing was told of it since.
    Asked { mark: u64, readers: u32 },
    /// It is this.
    Here(T),
}

/// What a reader has to bring back.
pub struct Reading<'n, T> {
    copies: &'n Copies<T>,
    name: &'n str,
    mark: u64,
}

impl<T: Clone> Near<T> {
    /// With `copies`, which `watch` keeps true. Without one (the store is in this
    /// process itself) nothing is kept.
    pub const fn new(copies: Arc<Copies<T>>, watch: Option<Arc<Watch>>) -> Self {
        Self { copies, watch }
    }

    /// The value of `name`, if it is here and nothing can have happened to it.
    pub fn get(&self, name: &str) -> Option<T> {
        if !self.watch.as_ref().is_some_and(|watch| watch.is_current()) {
            return None;
        }
        match self.copies.shard(name).lock().get(name) {
            Some(Place::Here(value)) => Some(value.clone()),
            _ => None,
        }
    }

    /// Announces a read of the store; `None` where nothing is kept.
    pub fn reading<'n>(&'n self, name: &'n str) -> Option<Reading<'n, T>> {
        self.watch.as_ref()?;
        let copies = &*self.copies;
        let mut shard = copies.shard(name).lock();
        if shard.len() >= copies.room && !shard.contains_key(name) {
            // Every other one goes, and costs a read to bring back.
            let mut goes = false;
            shard.retain(|_, place| {
                goes = !goes;
                matches!(place, Place::Asked { .. }) || !goes
            });
            if shard.len() >= copies.room {
                return None;
            }
        }
        if let Some(Place::Asked { mark, readers }) = shard.get_mut(name) {
            *readers += 1;
            let mark = *mark;
            return Some(Reading { copies, name, mark });
        }
        // One that is here is read anew only for a reason: it makes room.
        let mark = copies.next.fetch_add(1, Relaxed);
        shard.insert(name.to_owned(), Place::Asked { mark, readers: 1 });
        Some(Reading { copies, name, mark })
    }

    /// Drops the copy of what this process itself has changed: the news of it
    /// may be late.
    pub fn forget(&self, name: &str) {
        self.copies.forget(name);
    }
}

impl<T> Reading<'_, T> {
    /// Keeps what was read, unless a change was told of meanwhile.
    pub fn found(self, value: T) {
        let mut shard = self.copies.shard(self.name).lock();
        if let Some(place) = shard.get_mut(self.name)
            && place.has(self.mark)
        {
            *place = Place::Here(value);
        }
    }
}

impl<T> Drop for Reading<'_, T> {
    fn drop(&mut self) {
        let mut shard = self.copies.shard(self.name).lock();
        if let Some(Place::Asked { mark, readers }) = shard.get_mut(self.name)
            && *mark == self.mark
        {
            *readers -= 1;
            if *readers == 0 {
                shard.remove(self.name);
            }
        }
    }
}

impl<T> Place<T> {
    const fn has(&self, own: u64) -> bool {
        matches!(self, Self::Asked { mark, .. } if *mark == own)
    }
}

impl<T> Copies<T> {
    /// Of the values whose keys begin with `prefix`: `room` of them at most.
    pub fn new(prefix: &str, room: usize) -> Arc<Self> {
        Arc::new(Self {
            prefix: prefix.to_owned(),
            room: room.div_ceil(SHARDS),
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
            next: AtomicU64::new(0),
        })
    }

    fn forget(&self, name: &str) {
        self.shard(name).lock().remove(name);
    }

    fn shard(&self, name: &str) -> &Mutex<HashMap<String, Place<T>>> {
        let number = self.hasher.hash_one(name) % SHARDS as u64;
        &self.shards[usize::try_from(number).unwrap_or(0)]
    }
}

impl<T: Send + 'static> Watcher for Copies<T> {
    fn changed(&self, key: &str) {
        if let Some(name) = key.strip_prefix(&self.prefix) {
            self.forget(name);
        }
    }

    fn all_changed(&self) {
        for shard in &self.shards {
            shard.lock().clear();
        }
    }
}
