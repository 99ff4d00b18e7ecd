//! Who in this process learns of changes to sessions: at once of ends in this process,
//! and by the store's watch of all changes to records.

use std::sync::Arc;

use store::Watcher;

use super::id::{Handle, RecordKeys};

/// Learns of changes to sessions.
pub(super) trait Observer: Send + Sync {
    /// The session of `handle` has ended in this process.
    fn ended(&self, handle: &Handle);

    /// The record of `handle` has changed: the session may have ended.
    fn changed(&self, handle: &Handle);

    /// Any record may have changed.
    fn all_changed(&self);
}

/// All observers of an app's sessions.
pub(super) struct Observers {
    keys: RecordKeys,
    all: Vec<Arc<dyn Observer>>,
}

impl Observers {
    /// `all` observe the sessions with these `keys`.
    pub(super) fn new(keys: RecordKeys, all: Vec<Arc<dyn Observer>>) -> Self {
        Self { keys, all }
    }

    /// The session of `handle` has ended in this process.
    pub(super) fn ended(&self, handle: &Handle) {
        self.all.iter().for_each(|observer| observer.ended(handle));
    }
}

impl Watcher for Observers {
    fn invalidate(&self, key: &str) {
        if let Some(handle) = self.keys.handle(key) {
            let all = self.all.iter();
            all.for_each(|observer| observer.changed(&handle));
        }
    }

    fn invalidate_all(&self) {
        self.all.iter().for_each(|observer| observer.all_changed());
    }
}
