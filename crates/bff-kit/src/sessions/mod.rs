//! Where sessions are kept: the seam between those who need a session and the
//! mode that keeps it. Here that is `stateful`: the record is in the store,
//! sealed, and the browser holds a random id of 256 bits and nothing else. The
//! store knows the id by its hash alone.

mod record;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use kit::{
    Ground,
    clock::Clock,
    random::Random,
    seal::{Keyring, fingerprint},
};
use store::{SharedStore, StoreError};

pub(crate) use record::Record;
pub use record::SessionLifetimes;

/// How sessions are kept, as `/session` and the home page say.
pub(crate) const MODE: &str = "stateful";

/// A session's id as the browser's cookie has it: a bearer secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SessionId(String);

impl SessionId {
    /// Takes a cookie's value if it can be an id of ours (43 characters of
    /// base64url): for anything else the store need not be asked.
    pub(crate) fn read(cookie: &str) -> Option<Self> {
        let fine = cookie.len() == 43
            && cookie
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        fine.then(|| Self(cookie.to_owned()))
    }

    /// For the cookie alone.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// What the store knows it by.
    pub(crate) fn fingerprint(&self) -> String {
        fingerprint(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId([redacted])")
    }
}

/// A live session as it was read.
#[derive(Clone)]
pub(crate) struct Session {
    /// Its key in the store.
    pub(crate) key: String,
    /// What it holds.
    pub(crate) record: Record,
    /// The sealed bytes as read: what a compare-and-swap expects.
    raw: Bytes,
}

/// All sessions of one app.
pub(crate) struct Sessions {
    store: SharedStore,
    keyring: Keyring,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    client_id: String,
    lifetimes: SessionLifetimes,
}

impl Sessions {
    /// `keyring` seals the records.
    pub(crate) fn new(
        store: SharedStore,
        keyring: Keyring,
        ground: &Ground,
        client_id: &str,
        lifetimes: SessionLifetimes,
    ) -> Self {
        let (clock, random) = (ground.clock.clone(), ground.random.clone());
        Self {
            store,
            keyring,
            clock,
            random,
            client_id: client_id.to_owned(),
            lifetimes,
        }
    }

    /// How long sessions last.
    pub(crate) const fn lifetimes(&self) -> SessionLifetimes {
        self.lifetimes
    }

    /// Saves a new session under a new id. The caller sets the cookie after it.
    pub(crate) async fn begin(&self, record: &Record) -> Result<SessionId, StoreError> {
        let id = SessionId(self.random.token());
        let key = self.key(&id);
        let sealed = self.seal(&key, record);
        self.store.put(&key, sealed, self.remaining(record)).await?;
        Ok(id)
    }

    /// The live session of `id`, moved on by this use.
    pub(crate) async fn load(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        let Some(session) = self.read(&self.key(id)).await? else {
            return Ok(None);
        };
        let Some(record) = session.record.slid(self.clock.now(), self.lifetimes.idle) else {
            return Ok(Some(session));
        };
        // Where somebody else changed it meanwhile, what was read still counts.
        Ok(Some(
            self.replace(&session, record).await?.unwrap_or(session),
        ))
    }

    /// `session` as it is now; `None` once it has ended.
    pub(crate) async fn reload(&self, session: &Session) -> Result<Option<Session>, StoreError> {
        self.read(&session.key).await
    }

    /// Writes `record` if the session still is as `session` was read, and gives
    /// it as it is then. One that has ended meanwhile is never brought back.
    pub(crate) async fn replace(
        &self,
        session: &Session,
        record: Record,
    ) -> Result<Option<Session>, StoreError> {
        let key = session.key.clone();
        let raw = self.seal(&key, &record);
        let ttl = self.remaining(&record);
        let swapped = self
            .store
            .compare_and_swap(&key, &session.raw, raw.clone(), ttl)
            .await?;
        Ok(swapped.then_some(Session { key, record, raw }))
    }

    /// Ends the session of `id`.
    pub(crate) async fn end(&self, id: &SessionId) -> Result<(), StoreError> {
        self.store.remove(&self.key(id)).await.map(|_| ())
    }

    /// Ends `session`.
    pub(crate) async fn end_read(&self, session: &Session) -> Result<(), StoreError> {
        self.store.remove(&session.key).await.map(|_| ())
    }

    fn key(&self, id: &SessionId) -> String {
        format!("bff:{}:session:{}", self.client_id, id.fingerprint())
    }

    async fn read(&self, key: &str) -> Result<Option<Session>, StoreError> {
        let Some(raw) = self.store.get(key).await? else {
            return Ok(None);
        };
        let opened = self.keyring.open(key, raw.to_vec());
        let record = opened.and_then(|plain| Record::read(&plain));
        let now = self.clock.now();
        let live = record.filter(|record| now < record.expires_at);
        Ok(live.map(|record| Session {
            key: key.to_owned(),
            record,
            raw,
        }))
    }

    fn seal(&self, key: &str, record: &Record) -> Bytes {
        let plain = serde_json::to_vec(record).unwrap_or_default();
        self.keyring.seal(&*self.random, key, &plain).into()
    }

    fn remaining(&self, record: &Record) -> Duration {
        self.clock.now().until(record.expires_at)
    }
}

#[cfg(test)]
pub(crate) mod tests;
