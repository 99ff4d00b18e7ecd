//! The only crate that knows Redis. A key-value store in the domain's words:
//! each operation is atomic on one key, and so stays in one Redis Cluster slot.
//!
//! Values are opaque bytes. Compare-and-swap compares them whole: what is
//! swapped is what was read, so a record needs no version counter for it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

/// The store, as everybody but this crate sees it.
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
    /// `ttl`, later ones leave it.
    async fn count(&self, key: &str, ttl: Duration) -> Result<u64, StoreError>;

    /// Takes the lease `key` for `holder` unless another holds it; whether it
    /// holds it now. Its own holder prolongs it so.
    async fn lease(&self, key: &str, holder: &str, ttl: Duration) -> Result<bool, StoreError>;

    /// Gives the lease `key` back if `holder` still holds it; whether it did.
    async fn release(&self, key: &str, holder: &str) -> Result<bool, StoreError>;
}

/// A store that services share.
pub type SharedStore = Arc<dyn Store>;

/// The store did not do it. Callers answer 503 with `Retry-After`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is not reached, or did not answer in time.
    #[error("the store cannot be reached: {0}")]
    Unreachable(String),
    /// It answered with an error of its own (read-only, out of memory, …).
    #[error("the store refused: {0}")]
    Refused(String),
}
