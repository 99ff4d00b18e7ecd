//! An ordered set in memory: its members by name, and the same members by score.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use kit::clock::Timestamp;

use super::full;
use crate::{Allowance, Charge, Entry, StoreError, admission::make_room};

/// The limit of members of all sets of a store together.
pub(super) struct MemberLimit {
    members: AtomicUsize,
    max: usize,
}

impl MemberLimit {
    pub(super) fn new(max: usize) -> Self {
        Self {
            members: AtomicUsize::new(0),
            max,
        }
    }

    /// Counts a new member. At the limit it is refused.
    fn add_one(&self) -> Result<(), StoreError> {
        let one_more = |members: usize| (members < self.max).then_some(members + 1);
        self.members
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .map(drop)
            .map_err(|_| full())
    }

    fn subtract(&self, members: usize) {
        self.members.fetch_sub(members, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn members(&self) -> usize {
        self.members.load(Ordering::Relaxed)
    }
}

/// An ordered set. Its members count in the store's limit until it is dropped.
pub(super) struct OrderedSet {
    scores: HashMap<Arc<str>, Timestamp>,
    /// The same members, lowest score first, then by name.
    by_score: BTreeSet<(Timestamp, Arc<str>)>,
    limit: Arc<MemberLimit>,
}

impl OrderedSet {
    pub(super) fn new(limit: Arc<MemberLimit>) -> Self {
        Self {
            scores: HashMap::new(),
            by_score: BTreeSet::new(),
            limit,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    pub(super) fn len(&self) -> u64 {
        self.scores.len() as u64
    }

    pub(super) fn add_scored(&mut self, member: &str, at: Timestamp) -> Result<(), StoreError> {
        let member = if let Some((member, before)) = self.scores.get_key_value(member) {
            self.by_score.remove(&(*before, Arc::clone(member)));
            Arc::clone(member)
        } else {
            self.limit.add_one()?;
            Arc::from(member)
        };
        self.scores.insert(Arc::clone(&member), at);
        self.by_score.insert((at, member));
        Ok(())
    }

    pub(super) fn remove_scored(&mut self, member: &str) -> bool {
        let Some((member, at)) = self.scores.remove_entry(member) else {
            return false;
        };
        self.by_score.remove(&(at, member));
        self.limit.subtract(1);
        true
    }

    pub(super) fn score(&self, member: &str) -> Option<Timestamp> {
        self.scores.get(member).copied()
    }

    pub(super) fn range(&self, from: Timestamp, limit: usize) -> Vec<(String, Timestamp)> {
        // The empty name comes first among the members of a score.
        let first = Bound::Included((from, Arc::from("")));
        self.by_score
            .range((first, Bound::Unbounded))
            .take(limit)
            .map(|(at, member)| (member.to_string(), *at))
            .collect()
    }

    /// Iterates over the members below `from`: callers remove these, so they are few.
    pub(super) fn count_range(&self, from: Timestamp) -> u64 {
        let below = self.by_score.iter().take_while(|(at, _)| *at < from);
        (self.scores.len() - below.count()) as u64
    }

    pub(super) fn claim(&mut self, due: Timestamp, until: Timestamp, limit: usize) -> Vec<String> {
        let claimed: Vec<_> = self.up_to(due).take(limit).cloned().collect();
        for (at, member) in &claimed {
            self.by_score.remove(&(*at, Arc::clone(member)));
            self.by_score.insert((until, Arc::clone(member)));
            self.scores.insert(Arc::clone(member), until);
        }
        let names = claimed.iter().map(|(_, member)| member.to_string());
        names.collect()
    }

    /// Removes the entries of this budget that have ended, and then those that are
    /// evicted so that a new `member` with this `charge` fits. Returns the evicted
    /// entries, or `None` if the member is refused.
    pub(super) fn evict_for(
        &mut self,
        member: &str,
        charge: &Charge,
        now: Timestamp,
        allowance: &Allowance,
    ) -> Option<Vec<Entry>> {
        let ended: Vec<_> = self.up_to(now).cloned().collect();
        for (_, member) in ended {
            self.remove_scored(&member);
        }
        let others = self.by_score.iter().filter(|(_, other)| &**other != member);
        let others = others.filter_map(|(_, other)| {
            let entry: Entry = other.parse().ok()?;
            Some((Arc::clone(other), entry.charge))
        });
        let (members, charges): (Vec<_>, Vec<_>) = others.unzip();
        let evicted = make_room(&charges, charge, allowance)?;
        let evict = |at: usize| {
            self.remove_scored(&members[at]);
            members[at].parse().ok()
        };
        Some(evicted.into_iter().filter_map(evict).collect())
    }

    /// The members with a score of at most `last`, lowest first.
    fn up_to(&self, last: Timestamp) -> impl Iterator<Item = &(Timestamp, Arc<str>)> {
        self.by_score.iter().take_while(move |(at, _)| *at <= last)
    }
}

impl Drop for OrderedSet {
    fn drop(&mut self) {
        self.limit.subtract(self.scores.len());
    }
}
