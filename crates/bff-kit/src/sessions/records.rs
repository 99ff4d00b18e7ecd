//! The records of sessions in the store: sealed, each under a hash of its
//! session's id.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kit::{Deps, clock::Clock, metrics::Counter, random::Random, seal::Keyring};
use store::{LocalCache, SharedStore, StoreError, Values};

use super::{
    ended::Ended,
    id::{Handle, RecordKeys},
    index::{Index, Whose},
    observers::Observers,
    record::{Record, SessionLifetimes},
};

/// A live session's record as it was read.
pub(super) struct Stored {
    /// The session's handle.
    pub(super) handle: Handle,
    /// The content.
    pub(super) record: Record,
    /// The sealed bytes as read: what a compare-and-swap expects.
    raw: Bytes,
}

impl Stored {
    /// The size of the sealed record, in bytes.
    pub(super) fn size(&self) -> usize {
        self.raw.len()
    }
}

/// All records of one app.
pub(super) struct Records {
    store: Arc<dyn Values>,
    keyring: Keyring,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    client_id: String,
    keys: RecordKeys,
    idle: Duration,
    index: Index,
    /// Local copies of some records.
    cache: Arc<LocalCache<Arc<Stored>>>,
    observers: Arc<Observers>,
    unlisted: Counter,
}

impl Records {
    /// `keyring` seals the records; `cache` has local copies of some; `unlisted`
    /// counts those that the store lost from the index.
    pub(super) fn new(
        (store, keyring): (SharedStore, Keyring),
        deps: &Deps,
        client_id: &str,
        lifetimes: SessionLifetimes,
        cache: Arc<LocalCache<Arc<Stored>>>,
        observers: Arc<Observers>,
        unlisted: Counter,
    ) -> Self {
        let index = Index::new(store.clone(), deps.clock.clone(), client_id);
        Self {
            store,
            keyring,
            clock: deps.clock.clone(),
            random: deps.random.clone(),
            client_id: client_id.to_owned(),
            keys: RecordKeys::new(client_id),
            idle: lifetimes.idle,
            index,
            cache,
            observers,
            unlisted,
        }
    }

    /// The index of sessions by user and by login session.
    pub(super) const fn index(&self) -> &Index {
        &self.index
    }

    /// Saves a new session's record. The caller sets its cookie afterwards. `false`:
    /// the provider's session has ended meanwhile, and nothing is saved.
    pub(super) async fn put(&self, handle: &Handle, record: &Record) -> Result<bool, StoreError> {
        let key = self.key(handle);
        let sealed = self.seal(&key, record);
        self.store.put(&key, sealed, self.remaining(record)).await?;
        let added = self.index.add(handle, &record.about).await;
        if !matches!(added, Ok(true)) {
            // A logout elsewhere finds every session that is left.
            self.remove(handle, record).await?;
        }
        added
    }

    /// The local copies.
    pub(super) const fn cache(&self) -> &Arc<LocalCache<Arc<Stored>>> {
        &self.cache
    }

    /// The live session of `handle`, extended by this use.
    pub(super) async fn load(&self, handle: &Handle) -> Result<Option<Arc<Stored>>, StoreError> {
        let Some(session) = self.read(handle).await? else {
            return Ok(None);
        };
        let Some(about) = session.record.about.slid(self.clock.now(), self.idle) else {
            return Ok(Some(session));
        };
        let record = Record {
            about,
            ..session.record.clone()
        };
        let extending = async {
            if !self.is_listed(&session).await? {
                return Ok(None);
            }
            self.index.extend(handle, &record.about).await?;
            self.replace(&session, record).await
        };
        match extending.await {
            Ok(Some(extended)) => Ok(Some(extended)),
            // Another request changed or ended it meanwhile.
            Ok(None) => self.read(handle).await,
            Err(error) => {
                // A read-only store must not fail calls. A later call extends it.
                tracing::warn!("a session was not extended: {error}");
                Ok(Some(session))
            }
        }
    }

    /// The live session of `handle`. Does not count as a use.
    pub(super) async fn read(&self, handle: &Handle) -> Result<Option<Arc<Stored>>, StoreError> {
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

    /// Writes `record` in place of `session` by compare-and-swap; `None` where
    /// another request changed or ended it since it was read.
    pub(super) async fn replace(
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

    /// Whether each logout would find `session` in the index. One that the index has
    /// lost ends at once.
    pub(super) async fn is_listed(&self, session: &Stored) -> Result<bool, StoreError> {
        let (handle, record) = (&session.handle, &session.record);
        if self.index.names(handle, &record.about).await? {
            return Ok(true);
        }
        self.unlisted.add(&["session"]);
        tracing::error!(
            "the store has lost an index entry by which a session is ended; the session ends"
        );
        self.remove(handle, record).await?;
        Ok(false)
    }

    /// Ends a session in the store, and tells this process's observers.
    pub(super) async fn end(&self, session: &Stored) -> Result<Ended, StoreError> {
        self.remove(&session.handle, &session.record).await?;
        self.observers.ended(&session.handle);
        Ok(Ended::of(&session.record))
    }

    /// Removes a record and its entries in the index. An entry that stays names a
    /// session that is not there.
    pub(super) async fn remove(&self, handle: &Handle, record: &Record) -> Result<(), StoreError> {
        self.delete(handle).await?;
        if let Err(error) = self.index.remove(handle, &record.about).await {
            tracing::warn!("an ended session is still listed: {error}");
        }
        Ok(())
    }

    /// Ends a session that the index lists for `whose`, whether or not its record can
    /// be read here; whether it was there.
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
        // Also after an error: the record may have been removed.
        self.cache.invalidate(handle.as_str());
        deleted
    }

    /// The key of the lease on the session's refresh.
    pub(super) fn lease(&self, handle: &Handle) -> String {
        // Not under the sessions' prefix: the watch reports each change there.
        format!("bff:{}:refresh:{}", self.client_id, handle.as_str())
    }

    /// The key of a session in the store.
    pub(super) fn key(&self, handle: &Handle) -> String {
        self.keys.key(handle)
    }

    fn seal(&self, key: &str, record: &Record) -> Bytes {
        let plain = serde_json::to_vec(record).unwrap_or_default();
        self.keyring.seal(&*self.random, key, &plain).into()
    }

    fn remaining(&self, record: &Record) -> Duration {
        self.clock.now().until(record.about.expires_at)
    }
}
