//! One question at a time for each token. Who comes meanwhile waits, and takes the
//! answer if it is as good as one of its own.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use kit::{
    clock::Timestamp,
    keyed_locks::{KeyedLock, KeyedLocks},
};

use super::cache::Answer;
use crate::verified::Fingerprint;

/// The provider did not answer, which the log explains.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unanswered;

/// The outcome of the last question about one token.
pub(super) struct Landed {
    /// The moments of question and outcome, in the order of [`Flights`].
    pub(super) sent: u64,
    pub(super) ended: u64,
    /// The time of the question.
    pub(super) asked_at: Timestamp,
    /// The outcome.
    pub(super) outcome: Result<Answer, Unanswered>,
}

impl Landed {
    /// Whether it is good for who came at the moment `arrived`. An answer is if it was
    /// asked for after that, or `is_fresh`. A failure is if it happened after that.
    pub(super) fn is_good_for(&self, arrived: u64, is_fresh: bool) -> bool {
        match &self.outcome {
            Ok(_) => self.sent > arrived || is_fresh,
            Err(Unanswered) => self.ended > arrived,
        }
    }
}

/// The questions that are under way, and the order of events. A clock would not do: two
/// events can have the same time.
#[derive(Default)]
pub(super) struct Flights {
    under_way: KeyedLocks<Fingerprint, Option<Landed>>,
    moment: AtomicU64,
}

impl Flights {
    /// The last moment.
    pub(super) fn now(&self) -> u64 {
        self.moment.load(SeqCst)
    }

    /// A new moment.
    pub(super) fn next(&self) -> u64 {
        self.moment.fetch_add(1, SeqCst) + 1
    }

    /// The lock of the questions about `token`, which the one who asks holds.
    pub(super) fn of(&self, token: Fingerprint) -> KeyedLock<Fingerprint, Option<Landed>> {
        self.under_way.of(token)
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::refusal::Invalid;

    fn landed(sent: u64, ended: u64, is_answer: bool) -> Landed {
        Landed {
            sent,
            ended,
            asked_at: Timestamp::default(),
            outcome: if is_answer {
                Ok(Err(Invalid::Inactive))
            } else {
                Err(Unanswered)
            },
        }
    }

    #[test]
    fn an_answer_is_shared_if_it_is_new_enough_and_a_failure_if_it_was_waited_for() {
        assert!(landed(5, 6, true).is_good_for(4, false));
        assert!(!landed(5, 6, true).is_good_for(5, false));
        assert!(landed(5, 6, true).is_good_for(9, true));
        assert!(landed(5, 6, false).is_good_for(5, false));
        assert!(!landed(5, 6, false).is_good_for(6, false));
        assert!(!landed(5, 6, false).is_good_for(6, true), "asked again");
    }
}
