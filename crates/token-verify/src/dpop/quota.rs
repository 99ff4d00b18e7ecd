//! How many proofs of one subject a resource server accepts in a while. Each is a record in
//! the store until it has expired, so a holder of a bound token could fill the store
//! otherwise.

use kit::{bounded_cache::BoundedCache, clock::Timestamp};
use parking_lot::Mutex;

use super::proof::KEPT;

/// The proofs of one subject in [`KEPT`]: some 160 calls a second.
const MOST: u32 = 60_000;
/// The subjects that are counted at the same time.
const SUBJECTS: usize = 4096;

/// Counts the accepted proofs of each subject, in this process.
pub struct ProofQuota {
    most: u32,
    counts: Mutex<BoundedCache<Box<str>, Count>>,
}

struct Count {
    window: i64,
    proofs: u32,
}

impl Default for ProofQuota {
    fn default() -> Self {
        Self::of(MOST)
    }
}

impl ProofQuota {
    /// At most `most` proofs of one subject in each window of [`KEPT`].
    pub fn of(most: u32) -> Self {
        Self {
            most,
            counts: Mutex::new(BoundedCache::new(SUBJECTS)),
        }
    }

    /// Whether one more proof of `subject` is accepted; counts it.
    pub(crate) fn admits(&self, subject: &str, now: Timestamp) -> bool {
        let window = now.secs().div_euclid(KEPT.as_secs().cast_signed());
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(subject)
            && count.window == window
        {
            count.proofs = count.proofs.saturating_add(1);
            return count.proofs <= self.most;
        }
        counts.insert(subject.into(), Count { window, proofs: 1 });
        self.most > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subject_has_so_many_proofs_in_a_window_and_takes_none_of_another() {
        let quota = ProofQuota::of(3);
        let now = Timestamp::from_secs(360 * 1000);
        for n in 0..9 {
            assert_eq!(quota.admits("alice", now), n < 3, "{n}");
        }
        assert!(quota.admits("bob", now));
        assert!(quota.admits("alice", now + KEPT));
    }
}
