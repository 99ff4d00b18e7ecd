//! Sessions kept in the process: opened, and dropped when the store tells that
//! they changed. While the store cannot promise to tell ([`store::Watch`]),
//! nothing is taken from here, and the store is read as in `stateful`.
//!
//! A read and the news of a change can cross on their way here. So who reads
//! leaves a mark first, and what was told of meanwhile is not kept.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use kit::clock::Timestamp;
use parking_lot::Mutex;
use store::{Watch, Watcher};

use super::{Handle, shelf::Stored};

/// The most sessions that a process keeps: at some 5 kB each, about 100 MB.
const MAX_KEPT: usize = 20_000;
const SHARDS: usize = 16;

/// Sessions of one app, in this process.
pub(crate) struct Near {
    copies: Arc<Copies>,
    /// `None`: nothing is kept. Either no session is `cached`, or the store is in
    /// this process itself.
    watch: Option<Arc<Watch>>,
}

/// The copies, which the store's watch drops as it is told.
pub(super) struct Copies {
    prefix: String,
    shards: [Mutex<HashMap<Handle, Place>>; SHARDS],
    /// Numbers the marks.
    next: AtomicU64,
}

enum Place {
    /// Somebody is reading it, and nothing was told of it since.
    Asked { mark: u64, readers: u32 },
    /// It is this.
    Here(Arc<Stored>),
}

/// What a reader has to bring back.
pub(super) struct Reading<'n> {
    copies: &'n Copies,
    handle: &'n Handle,
    mark: u64,
}

impl Near {
    /// With `copies`, which `watch` keeps true.
    pub(super) const fn new(copies: Arc<Copies>, watch: Option<Arc<Watch>>) -> Self {
        Self { copies, watch }
    }

    /// Drops the copy of a session that this process itself has changed: the
    /// news of it may be late.
    pub(super) fn forget(&self, handle: &Handle) {
        self.copies.forget(handle);
    }

    /// The session of `handle`, if it is here and nothing can have happened to it.
    pub(super) fn get(&self, handle: &Handle, now: Timestamp) -> Option<Arc<Stored>> {
        if !self.watch.as_ref().is_some_and(|watch| watch.is_current()) {
            return None;
        }
        match self.copies.shard(handle).lock().get(handle) {
            Some(Place::Here(session)) if session.record.about.is_live(now) => {
                Some(session.clone())
            }
            _ => None,
        }
    }

    /// Announces a read of the store; `None` where nothing is kept.
    pub(super) fn reading<'n>(&'n self, handle: &'n Handle) -> Option<Reading<'n>> {
        self.watch.as_ref()?;
        let copies = &*self.copies;
        let mut shard = copies.shard(handle).lock();
        if shard.len() >= MAX_KEPT / SHARDS && !shard.contains_key(handle) {
            // Every other one goes, and costs a read to bring back.
            let mut goes = false;
            shard.retain(|_, place| {
                goes = !goes;
                matches!(place, Place::Asked { .. }) || !goes
            });
            if shard.len() >= MAX_KEPT / SHARDS {
                return None;
            }
        }
        if let Some(Place::Asked { mark, readers }) = shard.get_mut(handle) {
            *readers += 1;
            let mark = *mark;
            return Some(Reading {
                copies,
                handle,
                mark,
            });
        }
        // One that is here is read anew only for a reason: it makes room.
        let mark = copies.next.fetch_add(1, Relaxed);
        shard.insert(handle.clone(), Place::Asked { mark, readers: 1 });
        Some(Reading {
            copies,
            handle,
            mark,
        })
    }
}

impl Reading<'_> {
    /// Keeps what was read, unless a change was told of meanwhile.
    pub(super) fn found(self, session: Arc<Stored>) {
        let mut shard = self.copies.shard(self.handle).lock();
        if let Some(place) = shard.get_mut(self.handle)
            && place.has(self.mark)
        {
            *place = Place::Here(session);
        }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut shard = self.copies.shard(self.handle).lock();
        if let Some(Place::Asked { mark, readers }) = shard.get_mut(self.handle)
            && *mark == self.mark
        {
            *readers -= 1;
            if *readers == 0 {
                shard.remove(self.handle);
            }
        }
    }
}

impl Place {
    const fn has(&self, own: u64) -> bool {
        matches!(self, Self::Asked { mark, .. } if *mark == own)
    }
}

impl Copies {
    /// Of the sessions whose keys begin with `prefix`.
    pub(super) fn new(prefix: &str) -> Arc<Self> {
        Arc::new(Self {
            prefix: prefix.to_owned(),
            shards: std::array::from_fn(|_| Mutex::default()),
            next: AtomicU64::new(0),
        })
    }

    fn forget(&self, handle: &Handle) {
        self.shard(handle).lock().remove(handle);
    }

    fn shard(&self, handle: &Handle) -> &Mutex<HashMap<Handle, Place>> {
        // A hash's last characters are as good as any hash of it.
        let last = handle.as_str().as_bytes();
        let number = last
            .iter()
            .rev()
            .take(2)
            .fold(0, |n, b| n + usize::from(*b));
        &self.shards[number % SHARDS]
    }
}

impl Watcher for Copies {
    fn changed(&self, key: &str) {
        let handle = key.strip_prefix(&self.prefix).and_then(Handle::read);
        if let Some(handle) = handle {
            self.forget(&handle);
        }
    }

    fn all_changed(&self) {
        for shard in &self.shards {
            shard.lock().clear();
        }
    }
}
