//! What people without a session may leave in the store: a budget in total and
//! for each owner (an address, as a rule), so that no stranger takes the room of
//! sessions, renewals and counters, nor of another stranger.
//!
//! A record is put first and entered then, so that whatever is entered can be
//! removed. Whoever ends the record takes its entry out.

use std::sync::Arc;

use kit::clock::{Clock, Timestamp};

use crate::{Allowance, Charge, Entry, OverflowPolicy, Owner, SharedStore, StoreError};

/// Over how many sets a budget is spread. Each has its part of the whole, which
/// has to be several owners' share; an entry looks at all others of its set.
const SHARDS: u64 = 4;
/// The least that a budget can be: some records for each of some owners.
pub const LEAST_BUDGET: u64 = 64 * 1024;
/// What Redis needs for a key beside its name and its value, and for an entry of
/// a budget beside the key that it names (measured; both stores are alike).
const OVERHEAD: u64 = 330;

/// What a record of `size` bytes under `key` costs in the store, its entry in
/// the budget included.
pub fn cost(key: &str, size: usize) -> u64 {
    // An allocation is up to a quarter larger than what is in it.
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
    /// A budget of `total` bytes, of which one owner has `per_owner` at most and
    /// no more than a quarter; its keys begin with `prefix`.
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
                per_owner: per_owner.min(total),
                total,
                overflow,
            },
        }
    }

    /// A budget whose owners take nothing from each other, because they are few:
    /// each has `per_owner` bytes.
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

    /// Enters `key` until `ends`, and removes what goes for it; whether it was
    /// taken.
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

    /// Enters `name`, which is no key: what goes for it is not removed.
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

    /// Takes `key` out: its record has ended.
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
