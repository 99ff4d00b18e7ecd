//! How many things of each owner are live, where each thing ends at a time of its own: the
//! records of one client that this process keeps in the store, for example. An owner at its
//! limit waits for the first end of its own things, and no other owner does.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use parking_lot::Mutex;

use crate::clock::Timestamp;

/// The ends are rounded up to this, in seconds.
const STEP: i64 = 10;
/// Owners without a live thing are removed once there are as many owners as this, and then
/// each time when their number has doubled.
const SWEEP_AT: usize = 1024;

/// The counts of all owners. An owner takes memory while a thing of it is live.
#[derive(Debug, Default)]
pub struct LiveCounts(Mutex<Owners>);

#[derive(Debug, Default)]
struct Owners {
    by_name: HashMap<Box<str>, Live>,
    /// How many remained at the last sweep.
    swept: usize,
}

/// The live things of one owner.
#[derive(Debug, Default)]
struct Live {
    count: usize,
    by_end: BTreeMap<i64, usize>,
}

impl LiveCounts {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one more thing of `owner`, which ends at `end`, if `owner` then has `most` at
    /// most. `Err` with the time until one of the owner's things ends, if not.
    pub fn enter(
        &self,
        owner: &str,
        most: usize,
        end: Timestamp,
        now: Timestamp,
    ) -> Result<(), Duration> {
        let mut owners = self.0.lock();
        owners.sweep(now);
        if let Some(live) = owners.by_name.get_mut(owner) {
            live.forget_ended(now);
            if live.count >= most {
                return Err(live.wait(now));
            }
            live.add(end);
        } else {
            owners.by_name.entry(owner.into()).or_default().add(end);
        }
        Ok(())
    }

    /// Takes back one that was counted with [`enter`](Self::enter), with the same `end`: there
    /// is no such thing after all.
    pub fn leave(&self, owner: &str, end: Timestamp) {
        if let Some(live) = self.0.lock().by_name.get_mut(owner) {
            live.remove(end);
        }
    }

    /// How many owners are in memory.
    #[cfg(test)]
    fn owners(&self) -> usize {
        self.0.lock().by_name.len()
    }
}

impl Owners {
    fn sweep(&mut self, now: Timestamp) {
        if self.by_name.len() < SWEEP_AT.max(2 * self.swept) {
            return;
        }
        self.by_name.retain(|_, live| {
            live.forget_ended(now);
            live.count > 0
        });
        self.swept = self.by_name.len();
    }
}

impl Live {
    fn add(&mut self, end: Timestamp) {
        self.count += 1;
        *self.by_end.entry(rounded(end)).or_default() += 1;
    }

    fn remove(&mut self, end: Timestamp) {
        if let Some(count) = self.by_end.get_mut(&rounded(end))
            && let Some(fewer) = count.checked_sub(1)
        {
            *count = fewer;
            self.count -= 1;
        }
    }

    fn forget_ended(&mut self, now: Timestamp) {
        let later = self.by_end.split_off(&(now.secs() + 1));
        let ended = std::mem::replace(&mut self.by_end, later);
        self.count -= ended.into_values().sum::<usize>();
    }

    /// The time until the first end.
    fn wait(&self, now: Timestamp) -> Duration {
        let mut ends = self.by_end.iter().filter(|(_, count)| **count > 0);
        let first = ends
            .next()
            .map_or(now, |(end, _)| Timestamp::from_secs(*end));
        now.until(first)
    }
}

const fn rounded(end: Timestamp) -> i64 {
    (end.secs() / STEP + 1) * STEP
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn an_owner_at_its_limit_waits_for_its_first_end_and_others_do_not() {
        let counts = LiveCounts::new();
        let enter = |owner, end, now| counts.enter(owner, 3, at(end), at(now));
        for end in [1070, 1071, 4000] {
            assert_eq!(enter("a", end, 1000), Ok(()), "{end}");
        }
        let wait = |secs| Err(Duration::from_secs(secs));
        assert_eq!(enter("a", 1200, 1000), wait(80));
        assert_eq!(enter("a", 1200, 1079), wait(1));
        assert_eq!(enter("b", 1200, 1079), Ok(()));
        for _ in 0..2 {
            assert_eq!(enter("a", 1200, 1080), Ok(()), "two have ended");
        }
        assert_eq!(enter("a", 1200, 1080), wait(130));
    }

    #[test]
    fn what_is_taken_back_makes_room_once() {
        let counts = LiveCounts::new();
        let enter = |end| counts.enter("a", 2, at(end), at(1000));
        assert_eq!((enter(1100), enter(1200)), (Ok(()), Ok(())));
        counts.leave("a", at(1100));
        counts.leave("a", at(1100));
        counts.leave("nobody", at(1100));
        assert_eq!(enter(1300), Ok(()));
        assert_eq!(enter(1300), Err(Duration::from_secs(210)));
    }

    #[test]
    fn memory_ends_with_what_is_counted() {
        let counts = LiveCounts::new();
        for n in 0..5 * SWEEP_AT {
            let now = i64::try_from(n).unwrap();
            counts
                .enter(&n.to_string(), 1, at(now + 60), at(now))
                .unwrap();
        }
        assert!(counts.owners() <= SWEEP_AT, "{}", counts.owners());
    }
}
