//! One watch of the store for all in this process who want to hear of changes.

use std::sync::Arc;

use store::{SharedStore, Watch, Watcher};

struct Several(Vec<Arc<dyn Watcher>>);

impl Watcher for Several {
    fn changed(&self, key: &str) {
        for watcher in &self.0 {
            watcher.changed(key);
        }
    }

    fn all_changed(&self) {
        for watcher in &self.0 {
            watcher.all_changed();
        }
    }
}

/// Tells `watchers` of each change to a key that begins with `prefix`. `None`:
/// the store is in this process itself.
pub(super) fn watch(
    store: &SharedStore,
    prefix: &str,
    watchers: Vec<Arc<dyn Watcher>>,
) -> Option<Arc<Watch>> {
    store
        .watch(prefix, Arc::new(Several(watchers)))
        .map(Arc::new)
}
