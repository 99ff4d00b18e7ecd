//! Reads of what seldom changes: from the process while the store promises to
//! tell of changes, from the store otherwise, and from the last answer while the
//! store is away. For what may be a little old then, and for nothing that
//! decides who may do what.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use kit::clock::{Clock, Timestamp};
use parking_lot::Mutex;

use crate::{Copies, Near, SharedStore, StoreError};

/// After so long a copy is read anew: the store tells of an expiry when it
/// notices it, which can be late.
const MAX_AGE: Duration = Duration::from_secs(60);

/// What a key held when it was read.
type Held = Option<Bytes>;

/// Reads of the keys that begin with one prefix.
pub struct Reads {
    store: SharedStore,
    clock: Arc<dyn Clock>,
    prefix: String,
    room: usize,
    near: Near<(Held, Timestamp)>,
    /// What each was when the store last answered.
    last: Mutex<HashMap<String, Held>>,
}

impl Reads {
    /// Of the keys in `store` that begin with `prefix`; `room` of them are kept at most.
    pub fn new(store: SharedStore, clock: Arc<dyn Clock>, prefix: &str, room: usize) -> Self {
        let copies = Copies::new(prefix, room);
        let watch = store.watch(prefix, copies.clone()).map(Arc::new);
        Self {
            store,
            clock,
            prefix: prefix.to_owned(),
            room,
            near: Near::new(copies, watch),
            last: Mutex::default(),
        }
    }

    /// The store's key of `name`.
    pub fn key(&self, name: &str) -> String {
        [&self.prefix, name].concat()
    }

    /// What the key of `name` holds. While the store is away: what it held when
    /// it was last read here; an error only where it never was.
    pub async fn get(&self, name: &str) -> Result<Held, StoreError> {
        let now = self.clock.now();
        if let Some((held, read_at)) = self.near.get(name)
            && now < read_at + MAX_AGE
        {
            return Ok(held);
        }
        let reading = self.near.reading(name);
        match self.store.get(&self.key(name)).await {
            Ok(held) => {
                if let Some(reading) = reading {
                    reading.found((held.clone(), now));
                }
                self.remember(name, &held);
                Ok(held)
            }
            Err(error) => match self.last.lock().get(name) {
                Some(held) => {
                    tracing::warn!("the store is away; the last answer serves: {error}");
                    Ok(held.clone())
                }
                None => Err(error),
            },
        }
    }

    /// This process has changed what the key of `name` holds.
    pub fn changed(&self, name: &str) {
        self.near.forget(name);
    }

    fn remember(&self, name: &str, held: &Held) {
        let mut last = self.last.lock();
        if let Some(known) = last.get_mut(name) {
            known.clone_from(held);
            return;
        }
        if last.len() >= self.room {
            last.clear();
        }
        last.insert(name.to_owned(), held.clone());
    }
}

#[cfg(test)]
mod tests {
    use kit::clock::SystemClock;

    use super::*;
    use crate::{Options, RedisStore, test_redis::RedisServer};

    const DAY: Duration = Duration::from_secs(86_400);
    /// Far more than it takes.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn reads(redis: &RedisServer) -> (SharedStore, Reads) {
        let store = RedisStore::new(&redis.url(), Options::default()).unwrap();
        let store: SharedStore = Arc::new(crate::Traced::new(store));
        let reads = Reads::new(store.clone(), Arc::new(SystemClock), "api:", 100);
        (store, reads)
    }

    async fn until(mut holds: impl AsyncFnMut() -> bool) {
        let done = async {
            while !holds().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, done).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_does_not_change_is_read_once_and_what_does_is_seen() {
        let redis = RedisServer::start();
        let (store, reads) = reads(&redis);
        let free = async || crate::spent::counted(reads.get("a")).await.1 == 0;
        assert_eq!(reads.get("a").await.unwrap(), None);
        until(free).await;
        let value = Bytes::from_static(b"v");
        store.put("api:a", value.clone(), DAY).await.unwrap();
        until(async || reads.get("a").await.unwrap() == Some(value.clone())).await;
        until(free).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn while_the_store_is_away_the_last_answer_serves() {
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
