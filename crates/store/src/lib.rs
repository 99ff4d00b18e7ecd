//! The only crate that knows Redis: a key-value store. Each operation is atomic and
//! uses one key, and so stays in one Redis Cluster slot.
//!
//! | trait | operations |
//! |---|---|
//! | [`Values`] | `get`, `put`, `put_new`, `compare_and_swap`, `take`, `remove` |
//! | [`Counters`] | `increment`, `decrement` |
//! | [`Leases`] | `lease`, `release` |
//! | [`OrderedSets`] (indexes, queues) | `add_scored`, `remove_scored`, `score`, `range`, `count_range`, `claim` |
//! | [`Budgets`] (used by [`Budget`]) | `admit` |
//! | [`Store`]: all of these | `ping`, `watch` |
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
mod operations;
mod ordered;
mod redis;
#[cfg(any(test, feature = "contract"))]
pub mod test_redis;
mod traced;
mod ttl;
pub mod watch;
mod wrapper;

use std::sync::Arc;

use kit::{
    clock::Clock,
    config::{Problems, RedisSettings},
    lab_control,
    metrics::Metrics,
    telemetry::names::metric,
};

pub use self::{
    admission::{Allowance, BadCharge, Charge, Entry, OverflowPolicy, Owner},
    budget::{Budget, cost},
    cached_reads::CachedReads,
    local_cache::{CacheEntries, LocalCache, PendingRead},
    memory::MemoryStore,
    operations::{Budgets, Counters, Leases, OrderedSets, Store, Values},
    ordered::MAX_MEMBER_LEN,
    redis::{Options, RedisStore},
    traced::Traced,
    watch::{FanOut, WATCH_BOUND, Watch, Watcher},
};

/// A store that services share.
pub type SharedStore = Arc<dyn Store>;

/// `store` for one service, whose metrics get the duration of each operation. In a lab, it
/// can be switched away for this service.
pub fn measured(store: &SharedStore, metrics: &Metrics) -> SharedStore {
    let latency = metrics.timer(&metric::STORE);
    let control = lab_control::of_service(metrics.service());
    let own = store.of_service(latency, control);
    own.unwrap_or_else(|| Arc::clone(store))
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
    async fn an_unreachable_redis_is_an_error_of_the_first_operation() {
        let nobody = RedisSettings::at("redis://:hunter2@127.0.0.1:1");
        let store = open(Some(&nobody), Arc::new(SystemClock)).unwrap();
        assert_eq!(store.kind(), "redis");
        let error = store.ping().await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable(_)), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn without_a_redis_url_the_store_is_in_memory() {
        assert_eq!(open(None, Arc::new(SystemClock)).unwrap().kind(), "memory");
    }

    #[test]
    fn all_malformed_settings_are_reported_together() {
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
