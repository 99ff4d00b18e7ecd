//! The records of the provider in the store: typed, versioned, authenticated, and
//! expiring by the clock.

mod authentic;
mod upgrade;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kit::clock::{Clock, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use store::{SharedStore, StoreError};

pub use self::{
    authentic::Authenticity,
    upgrade::{OLDER, load_keys, sealing_keys, upgraded},
};

/// How often creating a record is retried after concurrent changes.
const MAX_ATTEMPTS: usize = 8;

/// A kind of record.
pub trait Record: Serialize + DeserializeOwned {
    /// The prefix of its keys.
    const KIND: &'static str;
    /// Incremented when its format changes; version N also reads N−1.
    const VERSION: u32 = 1;

    /// When it expires.
    fn expires_at(&self) -> Timestamp;
}

/// A record as it was read, for a swap.
pub struct Stored<T> {
    /// The record.
    pub record: T,
    raw: Bytes,
}

/// Why a record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It does not serialise.
    #[error("a record cannot be serialised: {0}")]
    Unwritable(#[from] serde_json::Error),
}

/// Why a session or a grant was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It, or the session that it belongs to, has ended.
    #[error("it has ended")]
    Ended,
    /// Concurrent requests changed it at each attempt.
    #[error("too many concurrent changes")]
    Contended,
    /// The record cannot be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Self::Record(error.into())
    }
}

#[derive(Serialize)]
struct Written<'a, T> {
    v: u32,
    #[serde(flatten)]
    record: &'a T,
}

/// The previous version writes and reads the same format. Unknown members are ignored.
#[derive(Deserialize)]
struct Read<T> {
    v: u32,
    #[serde(flatten)]
    record: T,
}

/// The records of the provider.
#[derive(Clone)]
pub struct Records {
    store: SharedStore,
    clock: Arc<dyn Clock>,
    authenticity: Arc<Authenticity>,
}

impl Records {
    /// In `store`, expiring by `clock`.
    pub fn new(store: SharedStore, clock: Arc<dyn Clock>, authenticity: Authenticity) -> Self {
        Self {
            store,
            clock,
            authenticity: Arc::new(authenticity),
        }
    }

    /// The store itself, for counters, leases and ordered sets.
    pub fn store(&self) -> &SharedStore {
        &self.store
    }

    /// Writes a record, whether it exists or not.
    pub async fn put<T: Record>(&self, id: &str, record: &T) -> Result<(), RecordError> {
        let key = key::<T>(id);
        let written = self.write(&key, record)?;
        Ok(self.store.put(&key, written, self.ttl(record)).await?)
    }

    /// Writes a record if none exists. Returns whether it did. A record that cannot be
    /// read counts as absent.
    pub async fn create<T: Record>(&self, id: &str, record: &T) -> Result<bool, RecordError> {
        let key = key::<T>(id);
        let (written, ttl) = (self.write(&key, record)?, self.ttl(record));
        for _ in 0..MAX_ATTEMPTS {
            if self.store.put_new(&key, written.clone(), ttl).await? {
                return Ok(true);
            }
            let Some(raw) = self.store.get(&key).await? else {
                continue;
            };
            if self.read::<T>(&key, raw.clone()).is_some() {
                return Ok(false);
            }
            let swapped = self
                .store
                .compare_and_swap(&key, &raw, written.clone(), ttl)
                .await?;
            if swapped {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads a record.
    pub async fn get<T: Record>(&self, id: &str) -> Result<Option<Stored<T>>, RecordError> {
        let key = key::<T>(id);
        let found = self.store.get(&key).await?;
        Ok(found.and_then(|raw| self.read(&key, raw)))
    }

    /// Reads and removes a record, for one caller only.
    pub async fn take<T: Record>(&self, id: &str) -> Result<Option<T>, RecordError> {
        let key = key::<T>(id);
        let taken = self.store.take(&key).await?;
        Ok(taken
            .and_then(|raw| self.read(&key, raw))
            .map(|stored| stored.record))
    }

    /// Writes `new` if the record is unchanged since `read`. Returns whether it did.
    pub async fn swap<T: Record>(
        &self,
        id: &str,
        read: &Stored<T>,
        new: &T,
    ) -> Result<bool, RecordError> {
        let key = key::<T>(id);
        let written = self.write(&key, new)?;
        let swapped = self
            .store
            .compare_and_swap(&key, &read.raw, written, self.ttl(new))
            .await?;
        Ok(swapped)
    }

    fn ttl<T: Record>(&self, record: &T) -> Duration {
        self.clock
            .now()
            .until(record.expires_at())
            .max(Duration::from_millis(1))
    }

    /// A record of another version, one without a valid authentication code, or an expired
    /// one counts as absent.
    fn read<T: Record>(&self, key: &str, raw: Bytes) -> Option<Stored<T>> {
        let now = self.clock.now();
        if !self.authenticity.verify(key, &raw, now) {
            tracing::warn!(
                kind = T::KIND,
                "a record without a valid authentication code is ignored"
            );
            return None;
        }
        let read: Read<T> = serde_json::from_slice(&raw).ok()?;
        let current = read.v == T::VERSION || read.v + 1 == T::VERSION;
        let alive = read.record.expires_at() > now;
        (current && alive).then_some(Stored {
            record: read.record,
            raw,
        })
    }

    fn write<T: Record>(&self, key: &str, record: &T) -> Result<Bytes, serde_json::Error> {
        let v = T::VERSION;
        self.authenticity.write(key, &Written { v, record })
    }
}

/// The key of the record `id`.
pub fn key<T: Record>(id: &str) -> String {
    format!("idp:{}:{id}", T::KIND)
}

#[cfg(test)]
mod tests;
