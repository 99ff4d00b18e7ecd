//! One introspection request at a time for each token. Requests that arrive meanwhile
//! wait, and share the answer if it is recent enough.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use kit::{
    clock::Timestamp,
    keyed_locks::{KeyedLock, KeyedLocks},
};

use super::cache::Answer;
use crate::verified::Fingerprint;

/// The provider did not answer, which the log explains.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoAnswer;

/// The outcome of the last introspection request for one token.
pub(super) struct LastOutcome {
    /// The sequence numbers ([`SingleFlight`]) at which the request was sent and ended.
    pub(super) sent: u64,
    pub(super) ended: u64,
    /// The time of the request.
    pub(super) asked_at: Timestamp,
    /// The outcome.
    pub(super) outcome: Result<Answer, NoAnswer>,
}

impl LastOutcome {
    /// Whether a request that arrived at the sequence number `arrived` may share the
    /// outcome. An answer is shared if it was asked for after that, or `is_fresh`. A
    /// failure is shared if it happened after that.
    pub(super) fn is_good_for(&self, arrived: u64, is_fresh: bool) -> bool {
        match &self.outcome {
            Ok(_) => self.sent > arrived || is_fresh,
            Err(NoAnswer) => self.ended > arrived,
        }
    }
}

/// A lock for each token, and a sequence number of events. A clock would not do: two
/// events can have the same time.
#[derive(Default)]
pub(super) struct SingleFlight {
    locks: KeyedLocks<Fingerprint, Option<LastOutcome>>,
    sequence: AtomicU64,
}

impl SingleFlight {
    /// The last sequence number.
    pub(super) fn current(&self) -> u64 {
        self.sequence.load(SeqCst)
    }

    /// A new sequence number.
    pub(super) fn next(&self) -> u64 {
        self.sequence.fetch_add(1, SeqCst) + 1
    }

    /// The lock of `token`. Who holds it may send an introspection request.
    pub(super) fn lock_of(
        &self,
        token: Fingerprint,
    ) -> KeyedLock<Fingerprint, Option<LastOutcome>> {
        self.locks.of(token)
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::refusal::Invalid;

    fn last(sent: u64, ended: u64, is_answer: bool) -> LastOutcome {
        LastOutcome {
            sent,
            ended,
            asked_at: Timestamp::default(),
            outcome: if is_answer {
                Ok(Err(Invalid::Inactive))
            } else {
                Err(NoAnswer)
            },
        }
    }

    #[test]
    fn an_answer_is_shared_if_it_is_new_enough_and_a_failure_if_it_was_waited_for() {
        assert!(last(5, 6, true).is_good_for(4, false));
        assert!(!last(5, 6, true).is_good_for(5, false));
        assert!(last(5, 6, true).is_good_for(9, true));
        assert!(last(5, 6, false).is_good_for(5, false));
        assert!(!last(5, 6, false).is_good_for(6, false));
        assert!(!last(5, 6, false).is_good_for(6, true), "asked again");
    }
}
