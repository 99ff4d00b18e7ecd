//! The memory store under observation, for tests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use kit::clock::Timestamp;
use store::{Allowance, Entry, SharedStore, Store, StoreError, Watch, Watcher};

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

    fn inner(&self) -> Result<&SharedStore, StoreError> {
        self.asked.fetch_add(1, SeqCst);
        let away = self.away.load(SeqCst);
        if away {
            Err(StoreError::Unreachable("gone".into()))
        } else {
            Ok(&self.inner)
        }
    }
}

#[async_trait::async_trait]
impl Store for Watched {
    fn kind(&self) -> &'static str {
        "watched"
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.inner()?.ping().await
    }
    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), StoreError> {
        self.inner()?.put(key, value, ttl).await
    }
    async fn put_new(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, StoreError> {
        self.inner()?.put_new(key, value, ttl).await
    }
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.inner()?.get(key).await
    }
    async fn take(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.inner()?.take(key).await
    }
    async fn compare_and_swap(
        &self,
        key: &str,
        expected: &[u8],
        new: Bytes,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        if self.only_reads.load(SeqCst) {
            return Err(StoreError::Refused("read-only".into()));
        }
        self.inner()?
            .compare_and_swap(key, expected, new, ttl)
            .await
    }
    async fn remove(&self, key: &str) -> Result<bool, StoreError> {
        if self.keeps.load(SeqCst) {
            return Err(StoreError::Refused("read-only".into()));
        }
        self.inner()?.remove(key).await
    }
    async fn increment(&self, key: &str, ttl: Duration) -> Result<u64, StoreError> {
        self.inner()?.increment(key, ttl).await
    }
    async fn decrement(&self, key: &str) -> Result<(), StoreError> {
        self.inner()?.decrement(key).await
    }

    async fn lease(&self, key: &str, holder: &str, ttl: Duration) -> Result<bool, StoreError> {
        self.inner()?.lease(key, holder, ttl).await
    }
    async fn release(&self, key: &str, holder: &str) -> Result<bool, StoreError> {
        self.inner()?.release(key, holder).await
    }
    async fn add_scored(
        &self,
        key: &str,
        member: &str,
        at: Timestamp,
        ttl: Duration,
    ) -> Result<u64, StoreError> {
        self.inner()?.add_scored(key, member, at, ttl).await
    }
    async fn range(
        &self,
        key: &str,
        from: Timestamp,
        limit: usize,
    ) -> Result<Vec<(String, Timestamp)>, StoreError> {
        self.inner()?.range(key, from, limit).await
    }
    async fn score(&self, key: &str, member: &str) -> Result<Option<Timestamp>, StoreError> {
        self.inner()?.score(key, member).await
    }
    async fn count_range(&self, key: &str, from: Timestamp) -> Result<u64, StoreError> {
        self.inner()?.count_range(key, from).await
    }
    async fn remove_scored(&self, key: &str, member: &str) -> Result<bool, StoreError> {
        self.inner()?.remove_scored(key, member).await
    }
    async fn claim(
        &self,
        key: &str,
        due: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.inner()?.claim(key, due, until, limit).await
    }
    async fn admit(
        &self,
        key: &str,
        entry: &Entry,
        times: (Timestamp, Timestamp),
        allowance: &Allowance,
    ) -> Result<Option<Vec<Entry>>, StoreError> {
        self.inner()?.admit(key, entry, times, allowance).await
    }
    fn watch(&self, prefix: &str, watcher: Arc<dyn Watcher>) -> Option<Watch> {
        self.inner.watch(prefix, watcher)
    }
}
