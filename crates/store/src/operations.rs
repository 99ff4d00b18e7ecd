//! What a caller can do with a store: one trait for each kind of data.
//!
//! Every operation is atomic. A `ttl` is rounded up to whole milliseconds, at least
//! one: every value expires. The longest is ten years.
//!
//! On error, a write may still have happened: only the reply may be lost. A store
//! never repeats a write by itself.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use kit::{clock::Timestamp, lab_control::Control, metrics::Timer};

use crate::{Allowance, Entry, SharedStore, StoreError, Watch, Watcher};

/// A store: all kinds of data, and what concerns the store itself. A caller that
/// needs one kind asks for that trait: `Arc<dyn Store>` coerces to `Arc<dyn Values>`.
#[async_trait]
pub trait Store: Values + Counters + Leases + OrderedSets + Budgets + 'static {
    /// `redis` or `memory`: the name in spans and logs.
    fn kind(&self) -> &'static str;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Sends `watcher` the invalidations of all keys that begin with `prefix`, until
    /// the [`Watch`] is dropped. The module [`watch`](crate::watch) describes what a
    /// user must do. `None`: this store is in this process, so nothing needs a cache.
    fn watch(&self, prefix: &str, watcher: Arc<dyn Watcher>) -> Option<Watch> {
        let _ = (prefix, watcher);
        None
    }

    /// The same store for one service ([`measured`](crate::measured)): `latency` measures
    /// its operations, and `control` may say that the store is away. `None`: this store does
    /// neither.
    fn of_service(&self, latency: Timer, control: Option<Arc<Control>>) -> Option<SharedStore> {
        let _ = (latency, control);
        None
    }
}

/// Values: records, and marks for one-time use.
#[async_trait]
pub trait Values: Send + Sync {
    /// The value of `key`.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError>;

    /// Sets `key` to `value` for `ttl`, whatever it held.
    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), StoreError>;

    /// Sets `key` to `value` for `ttl` if it holds nothing. Returns whether it did.
    async fn put_new(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, StoreError>;

    /// Sets `key` to `new` for `ttl` if it holds exactly `expected`. Returns whether
    /// it did.
    async fn compare_and_swap(
        &self,
        key: &str,
        expected: &[u8],
        new: Bytes,
        ttl: Duration,
    ) -> Result<bool, StoreError>;

    /// Removes `key` and returns its value: only one caller gets it.
    async fn take(&self, key: &str) -> Result<Option<Bytes>, StoreError>;

    /// Removes `key`, whatever kind of data it holds. Returns whether it held
    /// something.
    async fn remove(&self, key: &str) -> Result<bool, StoreError>;
}

/// Counters: how often something happened in a period.
#[async_trait]
pub trait Counters: Send + Sync {
    /// Adds one to the counter `key` and returns the sum. The first call sets the
    /// `ttl`, later calls keep it. A key that holds something else is refused.
    async fn increment(&self, key: &str, ttl: Duration) -> Result<u64, StoreError>;

    /// Subtracts one from the counter `key` and keeps its `ttl`. At zero the key is
    /// removed. A key that holds nothing stays so.
    async fn decrement(&self, key: &str) -> Result<(), StoreError>;
}

/// Leases: locks that expire.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Acquires the lease `key` for `holder` unless another holds it. Returns whether
    /// `holder` holds it now. Its holder extends it by the same call.
    async fn lease(&self, key: &str, holder: &str, ttl: Duration) -> Result<bool, StoreError>;

    /// Releases the lease `key` if `holder` still holds it. Returns whether it did.
    async fn release(&self, key: &str, holder: &str) -> Result<bool, StoreError>;
}

/// Ordered sets: indexes of records, and queues of work. The scores of their members
/// are times.
#[async_trait]
pub trait OrderedSets: Send + Sync {
    /// Adds `member` to the ordered set `key` with the score `at`, or changes its
    /// score. Returns the number of members. The set expires `ttl` after the last
    /// such call, never sooner than an earlier call said. It ends with its last
    /// member.
    ///
    /// A member has at most [`MAX_MEMBER_LEN`](crate::MAX_MEMBER_LEN) bytes. The
    /// store does not limit the size of a set, because a full set would end the
    /// service for everybody: the caller limits what each user or anonymous client
    /// adds.
    async fn add_scored(
        &self,
        key: &str,
        member: &str,
        at: Timestamp,
        ttl: Duration,
    ) -> Result<u64, StoreError>;

    /// Removes `member` from the ordered set `key`. Returns whether it was a member.
    async fn remove_scored(&self, key: &str, member: &str) -> Result<bool, StoreError>;

    /// The score of `member` in the ordered set `key`. `None`: it is no member.
    async fn score(&self, key: &str, member: &str) -> Result<Option<Timestamp>, StoreError>;

    /// The members of the ordered set `key` with a score of at least `from`, lowest
    /// first, at most `limit`.
    async fn range(
        &self,
        key: &str,
        from: Timestamp,
        limit: usize,
    ) -> Result<Vec<(String, Timestamp)>, StoreError>;

    /// The number of members of the ordered set `key` with a score of at least
    /// `from`, without reading them.
    async fn count_range(&self, key: &str, from: Timestamp) -> Result<u64, StoreError>;

    /// Returns up to `limit` members of the ordered set `key` that are due (a score of
    /// at most `due`), lowest first, and sets their scores to `until`: until then no
    /// other caller gets them. So the set is a queue, and an item of work is due again
    /// unless its member is removed. The lifetime of the set stays.
    async fn claim(
        &self,
        key: &str,
        due: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, StoreError>;
}

/// Budgets: ordered sets of entries whose costs are limited for each owner and in
/// total. Callers use [`Budget`](crate::Budget).
#[async_trait]
pub trait Budgets: Send + Sync {
    /// Adds `entry` to the budget `key`. `times` are the present and the end of the
    /// entry; entries that have ended are removed. Returns the entries that were
    /// evicted for it, or `None` if it is refused: see
    /// [`OverflowPolicy`](crate::OverflowPolicy). [`OrderedSets::remove_scored`] of
    /// its [`Entry::member`] removes an entry early.
    async fn admit(
        &self,
        key: &str,
        entry: &Entry,
        times: (Timestamp, Timestamp),
        allowance: &Allowance,
    ) -> Result<Option<Vec<Entry>>, StoreError>;
}
