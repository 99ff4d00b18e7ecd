//! The only crate that knows Redis: a key-value store. Each operation is atomic and
//! uses one key, and so stays in one Redis Cluster slot.
//!
//! Values are opaque bytes. Compare-and-swap compares whole values, so a record
//! needs no version counter. The callers define what the values mean.

mod admission;
mod budget;
mod cached_reads;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod local_cache;
mod memory;
pub mod op_count;
mod ordered;
mod redis;
#[cfg(any(test, feature = "contract"))]
pub mod test_redis;
mod traced;
mod ttl;
pub mod watch;
mod wrapper;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kit::{
    clock::{Clock, Timestamp},
    config::{Problems, RedisSettings},
    metrics::{Metrics, Timer},
    telemetry::names::metric,
};

pub use self::{
    admission::{Allowance, BadCharge, Charge, Entry, OverflowPolicy, Owner},
    budget::{Budget, LEAST_BUDGET, cost},
    cached_reads::CachedReads,
    local_cache::{CacheEntries, LocalCache, PendingRead},
    memory::{MAX_ENTRIES, MemoryStore},
    ordered::MAX_MEMBER_LEN,
    redis::{Options, RedisStore},
    traced::Traced,
    watch::{FanOut, WATCH_BOUND, Watch, Watcher},
};

/// A store, by its operations on values, counters, leases and ordered sets.
///
/// A `ttl` has whole milliseconds, rounded up: at least one (every value expires,
/// and a lifetime that has just ended is accepted), at most ten years.
///
/// On error, the write may still have happened: only the reply may be lost. A store
/// never repeats a write by itself.
#[async_trait::async_trait]
pub trait Store: Send + Sync + 'static {
    /// `redis` or `memory`: the name in spans and logs.
    fn kind(&self) -> &'static str;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Sets `key` to `value` for `ttl`, whatever it held.
    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), StoreError>;

    /// Sets `key` to `value` for `ttl` if it holds nothing. Returns whether it did.
    async fn put_new(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, StoreError>;

    /// The value of `key`.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError>;

    /// Removes `key` and returns its value: only one caller gets it.
    async fn take(&self, key: &str) -> Result<Option<Bytes>, StoreError>;

    /// Sets `key` to `new` for `ttl` if it holds exactly `expected`. Returns whether
    /// it did.
    async fn compare_and_swap(
        &self,
        key: &str,
        expected: &[u8],
        new: Bytes,
        ttl: Duration,
    ) -> Result<bool, StoreError>;

    /// Removes `key`. Returns whether it held something.
    async fn remove(&self, key: &str) -> Result<bool, StoreError>;

    /// Adds one to the counter `key` and returns the sum. The first call sets the
    /// `ttl`, later calls keep it. A key that holds something else is refused.
    async fn increment(&self, key: &str, ttl: Duration) -> Result<u64, StoreError>;

    /// Subtracts one from the counter `key` and keeps its `ttl`. At zero the key is
    /// removed. A key that holds nothing stays so.
    async fn decrement(&self, key: &str) -> Result<(), StoreError>;

    /// Acquires the lease `key` for `holder` unless another holds it. Returns whether
    /// `holder` holds it now. Its holder extends it by the same call.
    async fn lease(&self, key: &str, holder: &str, ttl: Duration) -> Result<bool, StoreError>;

    /// Releases the lease `key` if `holder` still holds it. Returns whether it did.
    async fn release(&self, key: &str, holder: &str) -> Result<bool, StoreError>;

    /// Adds `member` to the ordered set `key` with the score `at`, or changes its
    /// score. Returns the number of members. The set expires `ttl` after the last
    /// such call, never sooner than an earlier call said. It ends with its last
    /// member.
    ///
    /// A member has at most [`MAX_MEMBER_LEN`] bytes. The store does not limit the
    /// size of a set, because a full set would end the service for everybody: the
    /// caller limits what each user or anonymous client adds.
    async fn add_scored(
        &self,
        key: &str,
        member: &str,
        at: Timestamp,
        ttl: Duration,
    ) -> Result<u64, StoreError>;

    /// The members of the ordered set `key` with a score of at least `from`, lowest
    /// first, at most `limit`.
    async fn range(
        &self,
        key: &str,
        from: Timestamp,
        limit: usize,
    ) -> Result<Vec<(String, Timestamp)>, StoreError>;

    /// The number of members of the ordered set `key` with a score of at least
    /// `from`, without a walk through them.
    async fn count_range(&self, key: &str, from: Timestamp) -> Result<u64, StoreError>;

    /// The score of `member` in the ordered set `key`. `None`: it is no member.
    async fn score(&self, key: &str, member: &str) -> Result<Option<Timestamp>, StoreError>;

    /// Removes `member` from the ordered set `key`. Returns whether it was a member.
    async fn remove_scored(&self, key: &str, member: &str) -> Result<bool, StoreError>;

    /// Returns up to `limit` members of the ordered set `key` that are due (a score of
    /// at most `due`), lowest first, and sets their scores to `until`: until then no
    /// other caller gets them. So the set is a queue, and work comes back unless its
    /// member is removed. The lifetime of the set stays.
    async fn claim(
        &self,
        key: &str,
        due: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, StoreError>;

    /// Adds `entry` to the budget `key`. `times` are the present and the end of the
    /// entry; entries that have ended are removed. Returns the entries that were
    /// evicted for it, or `None` if it is refused: see [`OverflowPolicy`].
    /// [`Store::remove_scored`] of its [`Entry::member`] removes an entry early.
    async fn admit(
        &self,
        key: &str,
        entry: &Entry,
        times: (Timestamp, Timestamp),
        allowance: &Allowance,
    ) -> Result<Option<Vec<Entry>>, StoreError>;

    /// Sends `watcher` the invalidations of all keys that begin with `prefix`, until
    /// the [`Watch`] is dropped. The module [`watch`] describes what a user must do.
    /// `None`: this store is in this process, so nothing needs a cache.
    fn watch(&self, prefix: &str, watcher: Arc<dyn Watcher>) -> Option<Watch> {
        let _ = (prefix, watcher);
        None
    }

    /// The same store; `latency` measures its operations ([`measured`]). `None`: this
    /// store does not measure them.
    fn timed(&self, latency: Timer) -> Option<SharedStore> {
        let _ = latency;
        None
    }
}

/// A store that services share.
pub type SharedStore = Arc<dyn Store>;

/// `store` for one service, whose metrics get the duration of each operation.
pub fn measured(store: &SharedStore, metrics: &Metrics) -> SharedStore {
    let latency = metrics.timer(&metric::STORE);
    store.timed(latency).unwrap_or_else(|| Arc::clone(store))
}

/// The operation failed. Callers answer 503 with `Retry-After`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store was not reached, or did not reply in time.
    #[error("the store cannot be reached: {0}")]
    Unreachable(String),
    /// The store replied with an error (read-only, out of memory, …).
    #[error("the store refused: {0}")]
    Refused(String),
}

/// The store of a service: Redis if there are `settings`, otherwise memory, where
/// entries expire by `clock`. Each operation is a span.
///
/// The first operation connects to Redis. An unreachable Redis is no error here; a
/// malformed setting is, in a sentence without the URL.
pub fn open(
    settings: Option<&RedisSettings>,
    clock: Arc<dyn Clock>,
) -> Result<SharedStore, Problems> {
    match settings {
        Some(settings) => {
            let store = RedisStore::open(settings, Options::default())?;
            Ok(Arc::new(Traced::new(store)))
        }
        None => Ok(Arc::new(Traced::new(MemoryStore::new(clock)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kit::clock::SystemClock;

    #[tokio::test]
    async fn a_redis_that_is_not_there_yet_is_no_error_until_it_is_asked() {
        let nobody = RedisSettings::at("redis://:hunter2@127.0.0.1:1");
        let store = open(Some(&nobody), Arc::new(SystemClock)).unwrap();
        assert_eq!(store.kind(), "redis");
        let error = store.ping().await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable(_)), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn without_a_redis_url_it_is_in_memory() {
        assert_eq!(open(None, Arc::new(SystemClock)).unwrap().kind(), "memory");
    }

    #[test]
    fn each_malformed_setting_is_named_at_once() {
        let mut wrong = RedisSettings::at("redis://:hunter2@localhost/x");
        wrong.ca = Some(b"no certificate".to_vec());
        let problems = open(Some(&wrong), Arc::new(SystemClock)).err().unwrap();
        let keys: Vec<_> = problems
            .lines()
            .iter()
            .map(|l| l.split(':').next())
            .collect();
        assert_eq!(keys, [Some("REDIS_CA_FILE"), Some("REDIS_URL")]);
        assert!(!problems.to_string().contains("hunter2"), "{problems}");
    }
}
