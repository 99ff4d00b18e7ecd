//! How much data clients without a session may keep in the store: a budget in total
//! and for each owner (usually an address), so that no anonymous client displaces
//! sessions, renewals and counters, or the data of other clients.
//!
//! Put a record first and enter it then, so that every entry can be removed. Whoever
//! removes the record removes its entry.

use std::sync::Arc;

use kit::clock::{Clock, Timestamp};

use crate::{Allowance, Charge, Entry, OverflowPolicy, Owner, SharedStore, StoreError};

/// The number of sets of a budget. Each has its part of the total. One owner gets half of
/// a set at most, so that one who takes all of it evicts nobody else. Adding an entry reads
/// all others of its set.
const SHARDS: u64 = 2;
/// The bytes that Redis needs for a key besides its name and its value, and for the
/// entry in the budget besides the key's name (measured; both stores are similar).
const OVERHEAD: u64 = 330;

/// The cost of a record of `size` bytes under `key`, including its entry in the
/// budget.
pub fn cost(key: &str, size: usize) -> u64 {
    // An allocation can be a quarter larger than its content.
    let (key, size) = (key.len() as u64, size as u64);
    size + size / 4 + 2 * key + OVERHEAD
}

/// A budget of one service.
#[derive(Clone)]
pub struct Budget {
    store: SharedStore,
    clock: Arc<dyn Clock>,
    prefix: String,
    shards: u64,
    allowance: Allowance,
}

impl Budget {
    /// A budget of `total` bytes. One owner gets at most `per_owner` bytes, and at most
    /// half of the owner's set. Its keys begin with `prefix`.
    pub fn new(
        store: SharedStore,
        clock: Arc<dyn Clock>,
        prefix: &str,
        (total, per_owner): (u64, u64),
        overflow: OverflowPolicy,
    ) -> Self {
        let total = total / SHARDS;
        Self {
            store,
            clock,
            prefix: prefix.to_owned(),
            shards: SHARDS,
            allowance: Allowance {
                per_owner: per_owner.min(total / 2),
                total,
                overflow,
            },
        }
    }

    /// A budget for few owners: each has `per_owner` bytes of its own.
    pub fn of_each(
        store: SharedStore,
        clock: Arc<dyn Clock>,
        prefix: &str,
        per_owner: u64,
    ) -> Self {
        Self {
            store,
            clock,
            prefix: prefix.to_owned(),
            shards: 0,
            allowance: Allowance {
                per_owner,
                total: per_owner,
                overflow: OverflowPolicy::Evict,
            },
        }
    }

    /// Enters `key` until `ends`, and removes the keys that are evicted for it. Returns
    /// whether it was admitted.
    pub async fn enter(
        &self,
        charge: &Charge,
        key: &str,
        ends: Timestamp,
    ) -> Result<bool, StoreError> {
        let gone = self.admit(charge, key, ends).await?;
        let Some(gone) = gone else {
            return Ok(false);
        };
        for entry in gone {
            self.store.remove(&entry.name).await?;
        }
        Ok(true)
    }

    /// Enters `name`, which is no key: evicted entries have no keys to remove.
    pub async fn enter_name(
        &self,
        charge: &Charge,
        name: &str,
        ends: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.admit(charge, name, ends).await?.is_some())
    }

    async fn admit(
        &self,
        charge: &Charge,
        name: &str,
        ends: Timestamp,
    ) -> Result<Option<Vec<Entry>>, StoreError> {
        let entry = entry(charge, name);
        let times = (self.clock.now(), ends);
        let set = self.set_of(charge.owner());
        self.store.admit(&set, &entry, times, &self.allowance).await
    }

    /// Removes the entry of `key`, whose record has ended.
    pub async fn leave(&self, charge: &Charge, key: &str) -> Result<(), StoreError> {
        let set = self.set_of(charge.owner());
        let member = entry(charge, key).member()?;
        self.store.remove_scored(&set, &member).await.map(drop)
    }

    fn set_of(&self, owner: &Owner) -> String {
        match self.shards {
            0 => format!("{}:{}", self.prefix, owner.tag()),
            shards => format!("{}:{}", self.prefix, owner.spread() % shards),
        }
    }
}

fn entry(charge: &Charge, key: &str) -> Entry {
    Entry {
        charge: charge.clone(),
        name: key.to_owned(),
    }
}
