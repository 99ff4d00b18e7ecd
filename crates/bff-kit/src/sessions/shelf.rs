//! Sessions in the store: sealed, under a hash of their id. The modes that keep
//! something there share this.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kit::{Ground, clock::Clock, metrics::Counter, random::Random, seal::Keyring};
use store::{LocalCache, SharedStore, StoreError};

use super::{Handle, Record, SessionLifetimes, Whose, index::Index};

/// A live session as it was read.
pub(crate) struct Stored {
    /// Names it.
    pub(crate) handle: Handle,
    /// What it holds.
    pub(crate) record: Record,
    /// The sealed bytes as read: what a compare-and-swap expects.
    raw: Bytes,
}

/// All sessions of one app that are in the store.
pub(crate) struct Shelf {
    store: SharedStore,
    keyring: Keyring,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    client_id: String,
    prefix: String,
    idle: Duration,
    index: Index,
    cache: Arc<LocalCache<Arc<Stored>>>,
    unlisted: Counter,
}

impl Shelf {
    /// `keyring` seals the records; `unlisted` counts those that lost their place in
    /// the index.
    pub(crate) fn new(
        store: SharedStore,
        keyring: Keyring,
        ground: &Ground,
        client_id: &str,
        lifetimes: SessionLifetimes,
        cache: Arc<LocalCache<Arc<Stored>>>,
        unlisted: Counter,
    ) -> Self {
        let index = Index::new(store.clone(), ground.clock.clone(), client_id);
        Self {
            store,
            keyring,
            clock: ground.clock.clone(),
            random: ground.random.clone(),
            client_id: client_id.to_owned(),
            prefix: prefix(client_id),
            idle: lifetimes.idle,
            index,
            cache,
            unlisted,
        }
    }

    /// Which sessions are whose.
    pub(crate) const fn index(&self) -> &Index {
        &self.index
    }

    /// Saves a new session. The caller sets its cookie afterwards. `false`:
    /// the provider's session has ended meanwhile, and so has this one.
    pub(super) async fn put(&self, handle: &Handle, record: &Record) -> Result<bool, StoreError> {
        let key = self.key(handle);
        let sealed = self.seal(&key, record);
        self.store.put(&key, sealed, self.remaining(record)).await?;
        let added = self.index.add(handle, &record.about).await;
        if !matches!(added, Ok(true)) {
            // No session is left that a logout elsewhere could not find.
            self.remove(handle, record).await?;
        }
        added
    }

    /// The live session of `handle`, moved on by this use.
    pub(super) async fn load(&self, handle: &Handle) -> Result<Option<Arc<Stored>>, StoreError> {
        let Some(session) = self.look(handle).await? else {
            return Ok(None);
        };
        let Some(about) = session.record.about.slid(self.clock.now(), self.idle) else {
            return Ok(Some(session));
        };
        let record = Record {
            about,
            ..session.record.clone()
        };
        let moving = async {
            if !self.is_listed(&session).await? {
                return Ok(None);
            }
            self.index.moved(handle, &record.about).await?;
            self.replace(&session, record).await
        };
        match moving.await {
            Ok(Some(moved)) => Ok(Some(moved)),
            // Somebody else changed or ended it meanwhile.
            Ok(None) => self.look(handle).await,
            Err(error) => {
                // A store that only reads costs nobody a call: it is moved on later.
                tracing::warn!("a session was not moved on: {error}");
                Ok(Some(session))
            }
        }
    }

    /// The live session of `handle`, as it is.
    pub(crate) async fn look(&self, handle: &Handle) -> Result<Option<Arc<Stored>>, StoreError> {
        let key = self.key(handle);
        let Some(raw) = self.store.get(&key).await? else {
            return Ok(None);
        };
        let opened = self.keyring.open(&key, raw.to_vec());
        let record = opened.and_then(|plain| serde_json::from_slice::<Record>(&plain).ok());
        let now = self.clock.now();
        let live = record.filter(|record| record.about.is_live(now));
        Ok(live.map(|record| {
            Arc::new(Stored {
                handle: handle.clone(),
                record,
                raw,
            })
        }))
    }

    /// Writes `record` if the session still is as `session` was read, and gives
    /// it as it is then. One that has ended meanwhile is never brought back.
    pub(crate) async fn replace(
        &self,
        session: &Stored,
        record: Record,
    ) -> Result<Option<Arc<Stored>>, StoreError> {
        let handle = session.handle.clone();
        let key = self.key(&handle);
        let raw = self.seal(&key, &record);
        let ttl = self.remaining(&record);
        let swapped = self
            .store
            .compare_and_swap(&key, &session.raw, raw.clone(), ttl)
            .await;
        self.cache.invalidate(handle.as_str());
        Ok(swapped?.then(|| {
            Arc::new(Stored {
                handle,
                record,
                raw,
            })
        }))
    }

    /// Whether each logout would find `session`. One that would be missed ends here
    /// and now.
    pub(crate) async fn is_listed(&self, session: &Stored) -> Result<bool, StoreError> {
        let (handle, record) = (&session.handle, &session.record);
        if self.index.names(handle, &record.about).await? {
            return Ok(true);
        }
        self.unlisted.add(&["session"]);
        tracing::error!(
            "the store has lost a session's place in a list by which it is ended; the session ends"
        );
        self.remove(handle, record).await?;
        Ok(false)
    }

    /// Ends a session. Where its place in the index stays, that names a session
    /// which is not there.
    pub(crate) async fn remove(&self, handle: &Handle, record: &Record) -> Result<(), StoreError> {
        self.delete(handle).await?;
        if let Err(error) = self.index.remove(handle, &record.about).await {
            tracing::warn!("an ended session is still listed: {error}");
        }
        Ok(())
    }

    /// Ends a session that the index names as one of `whose`, whether or not its
    /// record can be read here; whether it was there.
    pub(super) async fn remove_named(
        &self,
        handle: &Handle,
        whose: Whose<'_>,
    ) -> Result<bool, StoreError> {
        let was_there = self.delete(handle).await?;
        self.index.remove_from(whose, handle).await?;
        Ok(was_there)
    }

    async fn delete(&self, handle: &Handle) -> Result<bool, StoreError> {
        let deleted = self.store.remove(&self.key(handle)).await;
        // Also after an error: it may have been done all the same.
        self.cache.invalidate(handle.as_str());
        deleted
    }

    /// The lease on the session's refresh.
    pub(crate) fn lease(&self, handle: &Handle) -> String {
        // Not under the sessions' prefix: what changes there is told to all.
        format!("bff:{}:refresh:{}", self.client_id, handle.as_str())
    }

    /// The key of a session in the store.
    pub(crate) fn key(&self, handle: &Handle) -> String {
        [&self.prefix, handle.as_str()].concat()
    }

    fn seal(&self, key: &str, record: &Record) -> Bytes {
        let plain = serde_json::to_vec(record).unwrap_or_default();
        self.keyring.seal(&*self.random, key, &plain).into()
    }

    fn remaining(&self, record: &Record) -> Duration {
        self.clock.now().until(record.about.expires_at)
    }
}

/// What the key of each session of the app `client_id` begins with.
pub(super) fn prefix(client_id: &str) -> String {
    format!("bff:{client_id}:session:")
}
