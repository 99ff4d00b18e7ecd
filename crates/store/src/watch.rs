//! Invalidations: a store tells watchers which keys changed.
//!
//! A user of [`Store::watch`](crate::Store::watch) that caches values must check
//! [`Watch::is_current`] before it serves one, and must handle two cases:
//!
//! - An invalidation can overtake a read: Redis answers the read, the value
//!   changes, and the invalidation is handled before the answer. So register the
//!   read before it is sent, let [`Watcher::invalidate`] and
//!   [`Watcher::invalidate_all`] cancel it, and cache the answer only if it was
//!   not cancelled ([`LocalCache`](crate::LocalCache) does this).
//! - Redis invalidates an expired key when it notices the expiry, which can be
//!   late. So cache a value's end with the value.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tokio::task::AbortHandle;

/// The longest time from a change to its invalidation while [`Watch::is_current`].
pub const WATCH_BOUND: Duration = Duration::from_secs(1);

/// Receives invalidations. The connection's task calls it: it must be quick and
/// must not block.
pub trait Watcher: Send + Sync + 'static {
    /// `key` was changed, removed or expired.
    fn invalidate(&self, key: &str);

    /// Any key may have changed.
    fn invalidate_all(&self);
}

/// Passes each invalidation on to several watchers.
pub struct FanOut(pub Vec<Arc<dyn Watcher>>);

impl Watcher for FanOut {
    fn invalidate(&self, key: &str) {
        for watcher in &self.0 {
            watcher.invalidate(key);
        }
    }

    fn invalidate_all(&self) {
        for watcher in &self.0 {
            watcher.invalidate_all();
        }
    }
}

/// A subscription to invalidations, which ends when this is dropped. A call of the
/// watcher that has begun by then still completes.
pub struct Watch {
    validity: Arc<Validity>,
    task: Option<AbortHandle>,
}

impl Watch {
    /// A watch whose `validity` is extended by `task`.
    pub(crate) fn new(validity: Arc<Validity>, task: Option<AbortHandle>) -> Self {
        Self { validity, task }
    }

    /// Whether the watcher has received every change made more than
    /// [`WATCH_BOUND`] ago. One atomic read.
    pub fn is_current(&self) -> bool {
        self.validity.is_valid()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Until when no invalidation is missing. It runs out by itself, so that a silent
/// peer needs no detection.
pub(crate) struct Validity {
    created: Instant,
    /// Nanoseconds since `created`; 0: not valid.
    until: AtomicU64,
}

impl Validity {
    /// Not valid yet.
    pub(crate) fn none() -> Self {
        Self {
            created: Instant::now(),
            until: AtomicU64::new(0),
        }
    }

    fn is_valid(&self) -> bool {
        nanos(self.created.elapsed()) < self.until.load(SeqCst)
    }

    /// The watcher has received all changes made before `moment`.
    pub(crate) fn start(&self, moment: Instant) {
        self.until.store(self.end(moment), SeqCst);
    }

    /// Extends a validity that was not revoked; whether it was not.
    pub(crate) fn extend(&self, moment: Instant) -> bool {
        let extended = |until: u64| (until != 0).then(|| self.end(moment));
        self.until.fetch_update(SeqCst, SeqCst, extended).is_ok()
    }

    pub(crate) fn revoke(&self) {
        self.until.store(0, SeqCst);
    }

    fn end(&self, moment: Instant) -> u64 {
        nanos(moment.saturating_duration_since(self.created) + WATCH_BOUND)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validity_ends_by_itself() {
        let now = Instant::now();
        let validity = Validity {
            created: now.checked_sub(WATCH_BOUND * 3).unwrap(),
            until: AtomicU64::new(0),
        };
        assert!(!validity.is_valid());
        validity.start(now.checked_sub(WATCH_BOUND).unwrap());
        assert!(!validity.is_valid(), "a bound ago");
        validity.start(now + WATCH_BOUND);
        assert!(validity.is_valid());
    }

    #[test]
    fn a_revoked_validity_is_not_extended() {
        let validity = Validity::none();
        let later = Instant::now() + WATCH_BOUND;
        assert!(!validity.extend(later));
        validity.start(later);
        assert!(validity.extend(later) && validity.is_valid());
        validity.revoke();
        assert!(!validity.extend(later) && !validity.is_valid());
    }
}
