//! Sessions in the store: sealed, under a hash of their id. The modes that keep
//! something there share this.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kit::{Ground, clock::Clock, random::Random, seal::Keyring};
use store::{SharedStore, StoreError};

use super::{Handle, Record, SessionLifetimes, index::Index};

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
    prefix: String,
    idle: Duration,
    index: Index,
}

impl Shelf {
    /// `keyring` seals the records.
    pub(crate) fn new(
        store: SharedStore,
        keyring: Keyring,
        ground: &Ground,
        client_id: &str,
        lifetimes: SessionLifetimes,
    ) -> Self {
        let index = Index::new(store.clone(), ground.clock.clone(), client_id);
        Self {
            store,
            keyring,
            clock: ground.clock.clone(),
            random: ground.random.clone(),
            prefix: format!("bff:{client_id}:session:"),
            idle: lifetimes.idle,
            index,
        }
    }

    /// What the key of each session begins with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
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
        if self.index.add(handle, &record.about).await? {
            return Ok(true);
        }
        self.remove(handle, record).await?;
        Ok(false)
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
        // Where somebody else changed it meanwhile, what was read still counts.
        Ok(Some(
            self.replace(&session, record).await?.unwrap_or(session),
        ))
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
            .await?;
        Ok(swapped.then(|| {
            Arc::new(Stored {
                handle,
                record,
                raw,
            })
        }))
    }

    /// Ends a session. Its place in the index is cleared too; where the store
    /// fails in between, it names a session that is not there.
    pub(crate) async fn remove(&self, handle: &Handle, record: &Record) -> Result<(), StoreError> {
        self.store.remove(&self.key(handle)).await?;
        self.index.remove(handle, &record.about).await
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
