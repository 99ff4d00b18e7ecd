//! The provider's records in the store: typed, versioned, authentic, expiring by
//! the clock.

mod authentic;
mod upgrade;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kit::clock::{Clock, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use store::{SharedStore, StoreError};

pub use self::{
    authentic::Authenticity,
    upgrade::{OLDER, load_keys, upgraded},
};

/// How often a record is created again where others change its place meanwhile.
const MAX_ATTEMPTS: usize = 8;

/// A kind of record.
pub trait Record: Serialize + DeserializeOwned {
    /// What its keys begin with.
    const KIND: &'static str;
    /// Raised when its shape changes; version N also reads N−1.
    const VERSION: u32 = 1;

    /// When it counts as absent.
    fn expires_at(&self) -> Timestamp;
}

/// A record as it was read: what a swap compares with.
pub struct Stored<T> {
    /// What it says.
    pub record: T,
    raw: Bytes,
}

/// Why a record is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It does not serialise.
    #[error("a record cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
}

#[derive(Serialize)]
struct Written<'a, T> {
    v: u32,
    #[serde(flatten)]
    record: &'a T,
}

/// A process of the version before wrote it, or reads what we wrote: members
/// that it does not know are ignored.
#[derive(Deserialize)]
struct Read<T> {
    v: u32,
    #[serde(flatten)]
    record: T,
}

/// The provider's records.
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

    /// The store itself, for counters.
    pub fn store(&self) -> &SharedStore {
        &self.store
    }

    /// Writes it, whatever was there.
    pub async fn put<T: Record>(&self, id: &str, record: &T) -> Result<(), RecordError> {
        let key = key::<T>(id);
        let written = self.write(&key, record)?;
        Ok(self.store.put(&key, written, self.ttl(record)).await?)
    }

    /// Writes it if no record was there; whether it did. What is there and
    /// cannot be read counts as absent here too.
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

    /// Reads it.
    pub async fn get<T: Record>(&self, id: &str) -> Result<Option<Stored<T>>, RecordError> {
        let key = key::<T>(id);
        let found = self.store.get(&key).await?;
        Ok(found.and_then(|raw| self.read(&key, raw)))
    }

    /// Reads it for one caller alone: it is gone afterwards.
    pub async fn take<T: Record>(&self, id: &str) -> Result<Option<T>, RecordError> {
        let key = key::<T>(id);
        let taken = self.store.take(&key).await?;
        Ok(taken
            .and_then(|raw| self.read(&key, raw))
            .map(|stored| stored.record))
    }

    /// Writes `new` if it is still as it was read; whether it did.
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

    /// A record of another version, one that we did not write, or one that has
    /// expired counts as absent.
    fn read<T: Record>(&self, key: &str, raw: Bytes) -> Option<Stored<T>> {
        let now = self.clock.now();
        if !self.authenticity.is_ours(key, &raw, now) {
            tracing::warn!(kind = T::KIND, "a record that the provider did not write");
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

/// Where the record `id` is in the store.
pub fn key<T: Record>(id: &str) -> String {
    format!("idp:{}:{id}", T::KIND)
}

#[cfg(test)]
mod tests;
