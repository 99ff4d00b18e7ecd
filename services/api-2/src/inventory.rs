//! The stock: one record in the store, changed by compare-and-swap, so that all
//! replicas agree and no item is reserved twice.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use kit::{Deps, random::Random};
use serde::{Deserialize, Serialize};
use store::{CachedReads, SharedStore, StoreError, Values};

/// The maximum quantity of one reservation.
pub const MAX_QUANTITY: u32 = 1_000_000;
/// The maximum length of an item's name in bytes.
pub const MAX_ITEM: usize = 64;

const PREFIX: &str = "api-2:";
const NAME: &str = "stock";
const KEY: &str = "api-2:stock";
/// The record's lifetime after the latest reservation; then the stock starts anew.
const TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// Attempts to change the record. A swap fails only if another swap succeeded, so
/// this is the number of concurrent reservations before a reservation fails.
const MAX_TRIES: usize = 64;
/// The version of the record that this code writes.
const VERSION: u32 = 1;

/// The initial stock.
const INITIAL_STOCK: [(&str, u32); 7] = [
    ("chess-set", 25),
    ("croquet-mallet", 40),
    ("looking-glass", 7),
    ("playing-card", 5200),
    ("pocket-watch", 12),
    ("tea-pot", 60),
    ("top-hat", 10),
];

/// An item in stock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StockItem {
    /// The item's name.
    pub item: String,
    /// The quantity.
    pub quantity: u32,
}

/// A reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reservation {
    /// A unique id.
    pub id: String,
    /// The item's name.
    pub item: String,
    /// The quantity.
    pub quantity: u32,
    /// The quantity left in stock.
    pub left: u32,
}

/// Why the stock could not be read or changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    /// Unknown item.
    #[error("There is no such item.")]
    UnknownItem,
    /// Zero, or more than the maximum of a reservation.
    #[error("The quantity must be from 1 to {MAX_QUANTITY}.")]
    Quantity,
    /// The stock does not suffice.
    #[error("Only {left} left in stock.")]
    NotEnough {
        /// The quantity in stock.
        left: u32,
    },
    /// Too many concurrent reservations.
    #[error("too many concurrent reservations")]
    Busy,
    /// A newer version wrote the record, or it is not a valid record.
    #[error("the stock's record is unreadable")]
    Unreadable,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    stock: BTreeMap<String, u32>,
}

/// The stock and its operations.
pub struct Inventory {
    store: Arc<dyn Values>,
    /// The list is read far more often than it changes.
    reads: CachedReads,
    random: Arc<dyn Random>,
}

impl Inventory {
    /// The stock in `store`.
    pub fn new(store: SharedStore, deps: &Deps) -> Self {
        let reads = CachedReads::new(store.clone(), deps.clock.clone(), PREFIX, 1);
        Self {
            store,
            reads,
            random: deps.random.clone(),
        }
    }

    /// All items, ordered by name.
    pub async fn list(&self) -> Result<Vec<StockItem>, InventoryError> {
        let bytes = if let Some(bytes) = self.reads.get(NAME).await? {
            bytes
        } else {
            self.fill().await?;
            self.reads.invalidate(NAME);
            self.reads.get(NAME).await?.ok_or(InventoryError::Busy)?
        };
        let record = decode(&bytes)?;
        let items = record.stock.into_iter();
        Ok(items
            .map(|(item, quantity)| StockItem { item, quantity })
            .collect())
    }

    /// Reserves `quantity` of `item`.
    pub async fn reserve(&self, item: &str, quantity: u32) -> Result<Reservation, InventoryError> {
        if !(1..=MAX_QUANTITY).contains(&quantity) {
            return Err(InventoryError::Quantity);
        }
        if item.len() > MAX_ITEM {
            return Err(InventoryError::UnknownItem);
        }
        for _ in 0..MAX_TRIES {
            let (before, mut record) = self.read().await?;
            let stock = record.stock.get_mut(item);
            let stock = stock.ok_or(InventoryError::UnknownItem)?;
            let Some(left) = stock.checked_sub(quantity) else {
                return Err(InventoryError::NotEnough { left: *stock });
            };
            *stock = left;
            let after = encode(&record)?;
            if self
                .store
                .compare_and_swap(KEY, &before, after, TTL)
                .await?
            {
                self.reads.invalidate(NAME);
                return Ok(Reservation {
                    id: self.random.id(),
                    item: item.to_owned(),
                    quantity,
                    left,
                });
            }
        }
        Err(InventoryError::Busy)
    }

    /// Reads the record, with its bytes, which a swap compares.
    async fn read(&self) -> Result<(Bytes, Record), InventoryError> {
        let bytes = match self.store.get(KEY).await? {
            Some(bytes) => bytes,
            None => self.fill().await?,
        };
        let record = decode(&bytes)?;
        Ok((bytes, record))
    }

    /// Writes the initial stock, unless another replica has just done so.
    async fn fill(&self) -> Result<Bytes, InventoryError> {
        let stock = INITIAL_STOCK.map(|(item, quantity)| (item.to_owned(), quantity));
        let full = encode(&Record {
            version: VERSION,
            stock: stock.into(),
        })?;
        if self.store.put_new(KEY, full.clone(), TTL).await? {
            return Ok(full);
        }
        self.store.get(KEY).await?.ok_or(InventoryError::Busy)
    }
}

fn decode(bytes: &[u8]) -> Result<Record, InventoryError> {
    let record: Record = serde_json::from_slice(bytes).map_err(|_| InventoryError::Unreadable)?;
    if record.version > VERSION {
        return Err(InventoryError::Unreadable);
    }
    Ok(record)
}

fn encode(record: &Record) -> Result<Bytes, InventoryError> {
    let json = serde_json::to_vec(record).map_err(|_| InventoryError::Unreadable)?;
    Ok(json.into())
}

#[cfg(test)]
mod unit {
    use kit::{clock::SystemClock, shutdown::Shutdown};

    use super::*;

    fn inventory() -> Arc<Inventory> {
        let store = store::open(None, Arc::new(SystemClock)).unwrap();
        Arc::new(Inventory::new(store, &Deps::system(Shutdown::new())))
    }

    #[tokio::test]
    async fn what_is_reserved_is_gone() {
        let inventory = inventory();
        let first = inventory.reserve("looking-glass", 3).await.unwrap();
        let second = inventory.reserve("looking-glass", 4).await.unwrap();
        assert_eq!((first.left, second.left), (4, 0));
        assert_ne!(first.id, second.id);
        let refused = inventory.reserve("looking-glass", 1).await;
        assert_eq!(refused, Err(InventoryError::NotEnough { left: 0 }));
    }

    #[tokio::test]
    async fn a_refused_reservation_takes_nothing() {
        let inventory = inventory();
        let before = inventory.list().await.unwrap();
        let refused = inventory.reserve("looking-glass", 8).await;
        assert_eq!(refused, Err(InventoryError::NotEnough { left: 7 }));
        assert_eq!(inventory.list().await.unwrap(), before);
    }

    #[tokio::test]
    async fn quantity_and_item_are_bounded() {
        let inventory = inventory();
        for quantity in [0, MAX_QUANTITY + 1, u32::MAX] {
            let refused = inventory.reserve("playing-card", quantity).await;
            assert_eq!(refused, Err(InventoryError::Quantity));
        }
        for item in ["jabberwock", "", &"x".repeat(MAX_ITEM + 1)] {
            let refused = inventory.reserve(item, 1).await;
            assert_eq!(refused, Err(InventoryError::UnknownItem));
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_is_given_away_twice_under_concurrency() {
        let inventory = inventory();
        let buyers: Vec<_> = (0..40)
            .map(|_| {
                let inventory = Arc::clone(&inventory);
                tokio::spawn(async move { inventory.reserve("chess-set", 1).await })
            })
            .collect();
        let mut sold = 0;
        for buyer in buyers {
            match buyer.await.unwrap() {
                Ok(_) => sold += 1,
                Err(why) => assert_eq!(why, InventoryError::NotEnough { left: 0 }),
            }
        }
        assert_eq!(sold, 25);
    }
}
