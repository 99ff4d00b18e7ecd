//! Who in this process is told what becomes of sessions: of a change by the
//! store's watch, of an end in this process at once.

use std::sync::Arc;

use store::Watcher;

use super::id::Handle;

/// Wants to know of changes to records, and of ends in this process.
pub(super) trait Observer: Watcher {
    /// The session of `handle` has ended in this process.
    fn ended(&self, handle: &Handle);
}

/// Tells all of them.
pub(super) struct FanOut {
    /// These hear of changes alone.
    pub(super) watchers: Vec<Arc<dyn Watcher>>,
    pub(super) observers: Vec<Arc<dyn Observer>>,
}

impl FanOut {
    /// Tells that the session of `handle` has ended.
    pub(super) fn ended(&self, handle: &Handle) {
        for observer in &self.observers {
            observer.ended(handle);
        }
    }
}

impl Watcher for FanOut {
    fn invalidate(&self, key: &str) {
        for watcher in &self.watchers {
            watcher.invalidate(key);
        }
        for observer in &self.observers {
            observer.invalidate(key);
        }
    }

    fn invalidate_all(&self) {
        for watcher in &self.watchers {
            watcher.invalidate_all();
        }
        for observer in &self.observers {
            observer.invalidate_all();
        }
    }
}
