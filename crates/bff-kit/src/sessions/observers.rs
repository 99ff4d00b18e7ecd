//! Who in this process learns at once that a session has ended here. Changes by
//! other replicas come by the store's watch.

use std::sync::Arc;

use super::id::Handle;

/// Learns of ends in this process.
pub(super) trait Observer: Send + Sync {
    /// The session of `handle` has ended in this process.
    fn ended(&self, handle: &Handle);
}

/// All observers.
pub(super) struct Observers(pub(super) Vec<Arc<dyn Observer>>);

impl Observers {
    /// The session of `handle` has ended in this process.
    pub(super) fn ended(&self, handle: &Handle) {
        for observer in &self.0 {
            observer.ended(handle);
        }
    }
}
