//! The only crate that knows Redis. A key-value store in the domain's words:
//! each operation is atomic on one key, and so stays in one Redis Cluster slot.
//!
//! Values are opaque bytes. Compare-and-swap compares them whole: what is
//! swapped is what was read, so a record needs no version counter for it.
//! What the values mean is the business of those who put them.

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

/// The store, as everybody but this crate sees it.
///
/// A `ttl` counts in whole milliseconds, rounded up: at least one (no value
/// lasts for ever, and none is refused for a lifetime that has just run out),
/// at most ten years.
///
/// An error leaves open whether a change was made: the answer may be what was
/// lost. No operation that changes something is tried again by itself.
#[async_trait::async_trait]
pub trait Store: Send + Sync + 'static {
    /// `redis` or `memory`: what spans and logs call it.
    fn kind(&self) -> &'static str;

    /// Whether it answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Sets `key`, whatever it held, for `ttl`.
    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), StoreError>;

    /// Sets `key` for `ttl` if it holds nothing; whether it did.
    async fn put_new(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, StoreError>;

    /// What `key` holds.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError>;

    /// What `key` held, to one caller alone: it holds nothing afterwards.
    async fn take(&self, key: &str) -> Result<Option<Bytes>, StoreError>;

    /// Sets `key` to `new` for `ttl` if it holds exactly `expected`; whether it did.
    async fn compare_and_swap(
        &self,
        key: &str,
        expected: &[u8],
        new: Bytes,
        ttl: Duration,
    ) -> Result<bool, StoreError>;

    /// Makes `key` hold nothing; whether it held something.
    async fn remove(&self, key: &str) -> Result<bool, StoreError>;

    /// Adds one to the counter `key` and gives the sum. The first one sets the
    /// `ttl`, later ones leave it. A key that holds something else is refused.
    async fn increment(&self, key: &str, ttl: Duration) -> Result<u64, StoreError>;

    /// Takes one from the counter `key`, and leaves its `ttl`. At zero it holds
    /// nothing; one that holds nothing stays so.
    async fn decrement(&self, key: &str) -> Result<(), StoreError>;

    /// Takes the lease `key` for `holder` unless another holds it; whether it
    /// holds it now. Its own holder prolongs it so.
    async fn lease(&self, key: &str, holder: &str, ttl: Duration) -> Result<bool, StoreError>;

    /// Gives the lease `key` back if `holder` still holds it; whether it did.
    async fn release(&self, key: &str, holder: &str) -> Result<bool, StoreError>;

    /// Puts `member` into the ordered set `key` at the moment `at`, moving it
    /// where it is there already. The set is forgotten `ttl` after the last such
    /// call, never sooner than an earlier call said, and with its last member.
    /// Gives how many members it has then.
    ///
    /// A member has [`MAX_MEMBER_LEN`] bytes at most. A set has no bound of its
    /// own: that would end a service for all. Whoever fills one bounds what each
    /// user or stranger puts into it.
    async fn add_scored(
        &self,
        key: &str,
        member: &str,
        at: Timestamp,
        ttl: Duration,
    ) -> Result<u64, StoreError>;

    /// Members of the ordered set `key` with `from <= at`, earliest first, at
    /// most `limit`.
    async fn range(
        &self,
        key: &str,
        from: Timestamp,
        limit: usize,
    ) -> Result<Vec<(String, Timestamp)>, StoreError>;

    /// How many members of the ordered set `key` have `from <= at`. However many
    /// those are, it costs no walk through them.
    async fn count_range(&self, key: &str, from: Timestamp) -> Result<u64, StoreError>;

    /// The moment of `member` in the ordered set `key`; `None`: it is not in.
    async fn score(&self, key: &str, member: &str) -> Result<Option<Timestamp>, StoreError>;

    /// Takes `member` out of the ordered set `key`; whether it was in.
    async fn remove_scored(&self, key: &str, member: &str) -> Result<bool, StoreError>;

    /// Hands out up to `limit` members of the ordered set `key` that are due
    /// (`at <= due`), earliest first, and moves each to `until`: each goes to
    /// one caller alone until then. So the set is a queue whose work comes back
    /// unless it is done and taken out. It lasts no longer for that.
    async fn claim(
        &self,
        key: &str,
        due: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, StoreError>;

    /// Enters `entry` into the budget `key`. `times` are now and when it ends;
    /// entries that have ended by now are forgotten. Gives the entries that went to
    /// make room for it, or nothing where it is refused: see [`OverflowPolicy`]. An
    /// entry leaves early by [`Store::remove_scored`] of its [`Entry::member`].
    async fn admit(
        &self,
        key: &str,
        entry: &Entry,
        times: (Timestamp, Timestamp),
        allowance: &Allowance,
    ) -> Result<Option<Vec<Entry>>, StoreError>;

    /// Tells `watcher` of each change to a key that begins with `prefix`, until
    /// the [`Watch`] is dropped; [`watch`] says what its user must mind. `None`:
    /// this store is in the process itself, nothing has to be watched.
    fn watch(&self, prefix: &str, watcher: Arc<dyn Watcher>) -> Option<Watch> {
        let _ = (prefix, watcher);
        None
    }

    /// The same store, its operations timed by `latency` ([`measured`]). `None`:
    /// this one times none.
    fn timed(&self, latency: Timer) -> Option<SharedStore> {
        let _ = latency;
        None
    }
}

/// A store that services share.
pub type SharedStore = Arc<dyn Store>;

/// `store` for one service: the time of each operation goes to its metrics.
pub fn measured(store: &SharedStore, metrics: &Metrics) -> SharedStore {
    let latency = metrics.timer(&metric::STORE);
    store.timed(latency).unwrap_or_else(|| Arc::clone(store))
}

/// The store did not do it. Callers answer 503 with `Retry-After`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It is not reached, or did not answer in time.
    #[error("the store cannot be reached: {0}")]
    Unreachable(String),
    /// It answered with an error of its own (read-only, out of memory, …).
    #[error("the store refused: {0}")]
    Refused(String),
}

/// The store of a service: Redis where `settings` name one, otherwise in
/// memory by `clock`. Each operation is a span.
///
/// Redis is connected at the first operation: one that is not there yet is no
/// error here, only a malformed setting is, in a sentence without the URL.
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
