//! The memory store under observation, for tests.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use store::{SharedStore, StoreError, Watch, Watcher};

/// A store that counts, and that can be away.
pub(crate) struct Watched {
    inner: SharedStore,
    /// How often it was asked for something.
    pub(crate) asked: AtomicUsize,
    /// Whether it answers at all.
    pub(crate) away: AtomicBool,
    /// Whether it fails to remove anything.
    pub(crate) keeps: AtomicBool,
    /// Whether it refuses to change anything that is there.
    pub(crate) only_reads: AtomicBool,
}

impl Watched {
    pub(crate) fn new(inner: SharedStore) -> Self {
        Self {
            inner,
            asked: AtomicUsize::new(0),
            away: AtomicBool::new(false),
            keeps: AtomicBool::new(false),
            only_reads: AtomicBool::new(false),
        }
    }

    /// An operation, unless it fails.
    async fn observe<T>(
        &self,
        operation: &'static str,
        _key: &str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let refuses = match operation {
            "compare_and_swap" => self.only_reads.load(SeqCst),
            "remove" => self.keeps.load(SeqCst),
            _ => false,
        };
        if refuses {
            return Err(StoreError::Refused("read-only".into()));
        }
        self.asked.fetch_add(1, SeqCst);
        if self.away.load(SeqCst) {
            return Err(StoreError::Unreachable("gone".into()));
        }
        work.await
    }
}

store::wrap_store! {
    impl [] for Watched, inner, observe;

    fn kind(&self) -> &'static str {
        "watched"
    }

    fn watch(&self, prefix: &str, watcher: Arc<dyn Watcher>) -> Option<Watch> {
        self.inner.watch(prefix, watcher)
    }
}
