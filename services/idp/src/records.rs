//! The provider's records in the store: typed, versioned, expiring by the clock.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kit::clock::{Clock, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use store::{SharedStore, StoreError};

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
}

impl Records {
    /// In `store`, expiring by `clock`.
    pub fn new(store: SharedStore, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// The store itself, for counters.
    pub fn store(&self) -> &SharedStore {
        &self.store
    }

    /// Writes it, whatever was there.
    pub async fn put<T: Record>(&self, id: &str, record: &T) -> Result<(), RecordError> {
        Ok(self
            .store
            .put(&key::<T>(id), write(record)?, self.ttl(record))
            .await?)
    }

    /// Writes it if nothing was there; whether it did.
    pub async fn create<T: Record>(&self, id: &str, record: &T) -> Result<bool, RecordError> {
        Ok(self
            .store
            .put_new(&key::<T>(id), write(record)?, self.ttl(record))
            .await?)
    }

    /// Reads it.
    pub async fn get<T: Record>(&self, id: &str) -> Result<Option<Stored<T>>, RecordError> {
        Ok(self
            .store
            .get(&key::<T>(id))
            .await?
            .and_then(|raw| self.read(raw)))
    }

    /// Reads it for one caller alone: it is gone afterwards.
    pub async fn take<T: Record>(&self, id: &str) -> Result<Option<T>, RecordError> {
        let taken = self.store.take(&key::<T>(id)).await?;
        Ok(taken
            .and_then(|raw| self.read(raw))
            .map(|stored| stored.record))
    }

    /// Writes `new` if it is still as it was read; whether it did.
    pub async fn swap<T: Record>(
        &self,
        id: &str,
        read: &Stored<T>,
        new: &T,
    ) -> Result<bool, RecordError> {
        let swapped = self
            .store
            .compare_and_swap(&key::<T>(id), &read.raw, write(new)?, self.ttl(new))
            .await?;
        Ok(swapped)
    }

    fn ttl<T: Record>(&self, record: &T) -> Duration {
        self.clock
            .now()
            .until(record.expires_at())
            .max(Duration::from_millis(1))
    }

    /// A record of another version, or one that has expired, counts as absent.
    fn read<T: Record>(&self, raw: Bytes) -> Option<Stored<T>> {
        let read: Read<T> = serde_json::from_slice(&raw).ok()?;
        let current = read.v == T::VERSION || read.v + 1 == T::VERSION;
        let alive = read.record.expires_at() > self.clock.now();
        (current && alive).then_some(Stored {
            record: read.record,
            raw,
        })
    }
}

fn key<T: Record>(id: &str) -> String {
    format!("idp:{}:{id}", T::KIND)
}

fn write<T: Record>(record: &T) -> Result<Bytes, serde_json::Error> {
    serde_json::to_vec(&Written {
        v: T::VERSION,
        record,
    })
    .map(Bytes::from)
}
