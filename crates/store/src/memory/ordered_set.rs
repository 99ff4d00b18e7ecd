//! An ordered set in memory: its members, and the same in the order of their moments.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use kit::clock::Timestamp;

use crate::{Allowance, Charge, Entry, StoreError, admission::make_room};

/// How many members all sets of a store may hold together.
pub(super) struct Room {
    held: AtomicUsize,
    most: usize,
}

impl Room {
    pub(super) fn new(most: usize) -> Self {
        Self {
            held: AtomicUsize::new(0),
            most,
        }
    }

    fn take_one(&self) -> Result<(), StoreError> {
        let one_more = |held: usize| (held < self.most).then_some(held + 1);
        self.held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .map(drop)
            .map_err(|_| StoreError::Refused("the memory store is full".to_owned()))
    }

    fn give_back(&self, members: usize) {
        self.held.fetch_sub(members, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// Dropped, it gives its members' room back.
pub(super) struct OrderedSet {
    moments: HashMap<Arc<str>, Timestamp>,
    /// The same members, the earliest first.
    in_order: BTreeSet<(Timestamp, Arc<str>)>,
    room: Arc<Room>,
}

impl OrderedSet {
    pub(super) fn new(room: Arc<Room>) -> Self {
        Self {
            moments: HashMap::new(),
            in_order: BTreeSet::new(),
            room,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.moments.is_empty()
    }

    pub(super) fn len(&self) -> u64 {
        self.moments.len() as u64
    }

    pub(super) fn add_scored(&mut self, member: &str, at: Timestamp) -> Result<(), StoreError> {
        let member = if let Some((held, before)) = self.moments.get_key_value(member) {
            self.in_order.remove(&(*before, Arc::clone(held)));
            Arc::clone(held)
        } else {
            self.room.take_one()?;
            Arc::from(member)
        };
        self.moments.insert(Arc::clone(&member), at);
        self.in_order.insert((at, member));
        Ok(())
    }

    pub(super) fn range(&self, from: Timestamp, limit: usize) -> Vec<(String, Timestamp)> {
        // No member comes before the empty one of the same moment.
        let first = Bound::Included((from, Arc::from("")));
        self.in_order
            .range((first, Bound::Unbounded))
            .take(limit)
            .map(|(at, member)| (member.to_string(), *at))
            .collect()
    }

    pub(super) fn score(&self, member: &str) -> Option<Timestamp> {
        self.moments.get(member).copied()
    }

    /// As many as there are before `from` are passed over: what is due is few.
    pub(super) fn count_range(&self, from: Timestamp) -> u64 {
        let earlier = self.in_order.iter().take_while(|(at, _)| *at < from);
        (self.moments.len() - earlier.count()) as u64
    }

    pub(super) fn remove_scored(&mut self, member: &str) -> bool {
        let Some((member, at)) = self.moments.remove_entry(member) else {
            return false;
        };
        self.in_order.remove(&(at, member));
        self.room.give_back(1);
        true
    }

    /// Makes room for `member` of a budget, and gives the members that went for
    /// it; nothing where it is refused.
    pub(super) fn make_room(
        &mut self,
        member: &str,
        charge: &Charge,
        now: Timestamp,
        allowance: &Allowance,
    ) -> Option<Vec<String>> {
        let ended = |(at, _): &&(Timestamp, Arc<str>)| *at <= now;
        let ended: Vec<_> = self.in_order.iter().take_while(ended).cloned().collect();
        for (_, member) in ended {
            self.remove_scored(&member);
        }
        let others = self.in_order.iter().filter(|(_, own)| &**own != member);
        let entries = others.filter_map(|(_, own)| {
            let entry: Entry = own.parse().ok()?;
            Some((Arc::clone(own), entry.charge))
        });
        let (members, charges): (Vec<_>, Vec<_>) = entries.unzip();
        let gone = make_room(&charges, charge, allowance)?;
        let gone: Vec<_> = gone.iter().map(|at| members[*at].to_string()).collect();
        for member in &gone {
            self.remove_scored(member);
        }
        Some(gone)
    }

    /// The same where nothing is held.
    pub(super) fn empty_has_room(charge: &Charge, allowance: &Allowance) -> Option<Vec<String>> {
        make_room(&[], charge, allowance).map(|_| Vec::new())
    }

    pub(super) fn claim(&mut self, due: Timestamp, until: Timestamp, limit: usize) -> Vec<String> {
        let is_due = |(at, _): &&(Timestamp, Arc<str>)| *at <= due;
        let claimed: Vec<_> = self
            .in_order
            .iter()
            .take_while(is_due)
            .take(limit)
            .cloned()
            .collect();
        for (at, member) in &claimed {
            self.in_order.remove(&(*at, Arc::clone(member)));
            self.in_order.insert((until, Arc::clone(member)));
            self.moments.insert(Arc::clone(member), until);
        }
        claimed
            .into_iter()
            .map(|(_, member)| member.to_string())
            .collect()
    }
}

impl Drop for OrderedSet {
    fn drop(&mut self) {
        self.room.give_back(self.moments.len());
    }
}
