//! The runs in learners' browsers that have begun. How each ended, the page reads from the
//! steps of the journey. Any may be forgotten.

use kit::{bounded_cache::BoundedCache, clock::Timestamp, journey::JourneyTag};
use parking_lot::Mutex;
use serde::Serialize;

use super::attack::Defence;

/// The most journeys that are remembered.
const MOST: usize = 1000;
/// The most runs of one journey.
const MOST_RUNS: usize = 50;

/// The runs of each journey, in order.
pub(super) struct Runs(Mutex<BoundedCache<JourneyTag, Vec<Begun>>>);

#[derive(Clone, Copy)]
struct Begun {
    attack: &'static str,
    defence: Defence,
    /// In microseconds since 1970, as the start of a step.
    at: i64,
}

/// A run, and the time in which its steps began. `attack.js` reads it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Former {
    pub(super) which: &'static str,
    from: i64,
    /// The beginning of the next run in this journey, of whatever attack.
    until: Option<i64>,
}

/// `time` as the start of a step.
pub(super) const fn micros(time: Timestamp) -> i64 {
    time.millis() * 1_000
}

impl Default for Runs {
    fn default() -> Self {
        Self(Mutex::new(BoundedCache::new(MOST)))
    }
}

impl Runs {
    pub(super) fn begin(
        &self,
        journey: JourneyTag,
        attack: &'static str,
        defence: Defence,
        now: Timestamp,
    ) {
        let begun = Begun {
            attack,
            defence,
            at: micros(now),
        };
        let mut known = self.0.lock();
        let Some(runs) = known.get_mut(&journey) else {
            known.insert(journey, vec![begun]);
            return;
        };
        if runs.len() == MOST_RUNS {
            runs.remove(0);
        }
        runs.push(begun);
    }

    /// The latest run of `attack` in `journey` with each defence.
    pub(super) fn of(&self, journey: JourneyTag, attack: &str) -> Vec<Former> {
        let known = self.0.lock();
        let runs = known.get(&journey).map_or(&[][..], Vec::as_slice);
        let latest = Defence::ALL.into_iter().filter_map(|defence| {
            let at = runs
                .iter()
                .rposition(|run| run.attack == attack && run.defence == defence)?;
            Some(Former {
                which: defence.value(),
                from: runs.get(at)?.at,
                until: runs.get(at + 1).map(|next| next.at),
            })
        });
        latest.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(number: usize) -> JourneyTag {
        format!("{number:032x}").parse().unwrap()
    }

    fn run(which: &'static str, from: i64, until: Option<i64>) -> Former {
        Former { which, from, until }
    }

    #[test]
    fn the_latest_run_of_each_defence_ends_where_the_next_run_begins() {
        let runs = Runs::default();
        for (second, attack, defence) in [
            (1, "a", Defence::Off),
            (2, "a", Defence::Off),
            (3, "b", Defence::Off),
            (4, "a", Defence::On),
        ] {
            runs.begin(tag(1), attack, defence, Timestamp::from_secs(second));
        }
        let second = 1_000_000;
        let of_a = [
            run("on", 2 * second, Some(3 * second)),
            run("off", 4 * second, None),
        ];
        assert_eq!(runs.of(tag(1), "a"), of_a);
        let of_b = [run("on", 3 * second, Some(4 * second))];
        assert_eq!(runs.of(tag(1), "b"), of_b);
        assert_eq!(runs.of(tag(2), "a"), []);
    }

    #[test]
    fn a_journey_keeps_its_newest_runs() {
        let runs = Runs::default();
        runs.begin(tag(1), "a", Defence::On, Timestamp::from_secs(0));
        for second in 1..=MOST_RUNS {
            let now = Timestamp::from_secs(i64::try_from(second).unwrap());
            runs.begin(tag(1), "b", Defence::On, now);
        }
        assert_eq!(runs.of(tag(1), "a"), []);
        assert_eq!(runs.of(tag(1), "b").len(), 1);
    }
}
