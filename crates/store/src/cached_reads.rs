//! Reads of values that seldom change: from this process while the watch is
//! current, from the store otherwise, and the last known value while the store is
//! unreachable. For data that may be old then, never for a decision about access.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kit::{
    bounded_cache::BoundedCache,
    clock::{Clock, Timestamp},
};
use parking_lot::Mutex;

use crate::{CacheEntries, LocalCache, SharedStore, StoreError};

/// The longest time that a value is cached: Redis can notice an expiry late.
const MAX_AGE: Duration = Duration::from_secs(60);

/// The value of a key when it was read.
type Value = Option<Bytes>;

/// Cached reads of the keys that begin with one prefix.
pub struct CachedReads {
    store: SharedStore,
    clock: Arc<dyn Clock>,
    prefix: String,
    cache: LocalCache<(Value, Timestamp)>,
    /// The value of each key when the store last answered.
    last: Mutex<BoundedCache<String, Value>>,
}

impl CachedReads {
    /// Reads of the keys in `store` that begin with `prefix`; at most `capacity`
    /// values are cached.
    pub fn new(store: SharedStore, clock: Arc<dyn Clock>, prefix: &str, capacity: usize) -> Self {
        let entries = CacheEntries::new(prefix, capacity);
        let watch = store.watch(prefix, entries.clone()).map(Arc::new);
        Self {
            store,
            clock,
            prefix: prefix.to_owned(),
            cache: LocalCache::new(entries, watch),
            last: Mutex::new(BoundedCache::new(capacity)),
        }
    }

    /// The store's key of `name`.
    pub fn key(&self, name: &str) -> String {
        [&self.prefix, name].concat()
    }

    /// The value of the key of `name`. While the store is unreachable: the last
    /// value that this process read, or the store's error if it read none.
    pub async fn get(&self, name: &str) -> Result<Value, StoreError> {
        let now = self.clock.now();
        if let Some((value, read_at)) = self.cache.get(name)
            && now < read_at + MAX_AGE
        {
            return Ok(value);
        }
        let pending = self.cache.begin_read(name);
        match self.store.get(&self.key(name)).await {
            Ok(value) => {
                if let Some(pending) = pending {
                    pending.complete((value.clone(), now));
                }
                self.remember(name, &value);
                Ok(value)
            }
            Err(error) => match self.last.lock().get(name) {
                Some(value) => {
                    tracing::warn!("store unreachable, serving the last known value: {error}");
                    Ok(value.clone())
                }
                None => Err(error),
            },
        }
    }

    /// Removes `name` from the cache: this process has changed its value.
    pub fn invalidate(&self, name: &str) {
        self.cache.invalidate(name);
    }

    fn remember(&self, name: &str, value: &Value) {
        let mut last = self.last.lock();
        if let Some(known) = last.get_mut(name) {
            known.clone_from(value);
        } else {
            last.insert(name.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use kit::clock::SystemClock;

    use super::*;
    use crate::{Options, RedisStore, test_redis::RedisServer};

    const DAY: Duration = Duration::from_secs(86_400);
    /// How long anything may take: far longer than it does.
    const TIMEOUT: Duration = Duration::from_secs(20);

    fn reads(redis: &RedisServer) -> (SharedStore, CachedReads) {
        let store = RedisStore::new(&redis.url(), Options::default()).unwrap();
        let store: SharedStore = Arc::new(crate::Traced::new(store));
        let reads = CachedReads::new(store.clone(), Arc::new(SystemClock), "api:", 100);
        (store, reads)
    }

    async fn until(mut holds: impl AsyncFnMut() -> bool) {
        let done = async {
            while !holds().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(TIMEOUT, done).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_unchanged_value_is_read_once_and_a_change_is_seen() {
        let redis = RedisServer::start();
        let (store, reads) = reads(&redis);
        let is_cached = async || crate::op_count::counted(reads.get("a")).await.1 == 0;
        assert_eq!(reads.get("a").await.unwrap(), None);
        until(is_cached).await;
        let value = Bytes::from_static(b"v");
        store.put("api:a", value.clone(), DAY).await.unwrap();
        until(async || reads.get("a").await.unwrap() == Some(value.clone())).await;
        until(is_cached).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn while_the_store_is_unreachable_the_last_value_is_served() {
        let mut redis = RedisServer::start();
        let (store, reads) = reads(&redis);
        let value = Bytes::from_static(b"v");
        store.put("api:a", value.clone(), DAY).await.unwrap();
        assert_eq!(reads.get("a").await.unwrap(), Some(value.clone()));
        redis.stop();
        until(async || store.get("api:a").await.is_err()).await;
        assert_eq!(reads.get("a").await.unwrap(), Some(value));
        until(async || reads.get("b").await.is_err()).await;
    }
}
