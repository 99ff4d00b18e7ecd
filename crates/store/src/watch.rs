//! Being told of changes, for who keeps what was read in the process.
//!
//! A user of [`Store::watch`](crate::Store::watch) serves what it keeps only
//! while [`Watch::is_current`], asked first. Two things are left to it:
//!
//! - A read can be overtaken: Redis answers it, the value changes, and the
//!   change is told before the answer is looked at. So the key is noted as
//!   pending *before* it is read, [`Watcher::changed`] and
//!   [`Watcher::all_changed`] cross out what is pending too, and what was read
//!   is kept only if its note is still there.
//! - An expiry is told when Redis notices it, which can be late. So who keeps
//!   a value keeps its end beside it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tokio::task::AbortHandle;

/// How long a change may go untold while [`Watch::is_current`].
pub const WATCH_BOUND: Duration = Duration::from_secs(1);

/// Told of changes. Called on the connection's task: quick, never blocking.
pub trait Watcher: Send + Sync + 'static {
    /// `key` was changed, removed or expired.
    fn changed(&self, key: &str);

    /// Anything may have changed: forget everything.
    fn all_changed(&self);
}

/// Changes are told as long as this is kept; a call that is under way when it
/// is dropped still ends.
pub struct Watch {
    proof: Arc<Proof>,
    task: Option<AbortHandle>,
}

impl Watch {
    /// One whose proof is kept by `task`.
    pub(crate) fn new(proof: Arc<Proof>, task: Option<AbortHandle>) -> Self {
        Self { proof, task }
    }

    /// Whether every change made more than [`WATCH_BOUND`] ago has been told.
    /// One atomic read.
    pub fn is_current(&self) -> bool {
        self.proof.holds()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// What shows that no change is missing. It ends by itself, so that a peer that
/// has fallen silent needs nobody to notice it.
pub(crate) struct Proof {
    began: Instant,
    /// Nanoseconds since `began`; 0 where there is no proof.
    ends: AtomicU64,
}

impl Proof {
    pub(crate) fn none_yet() -> Self {
        Self {
            began: Instant::now(),
            ends: AtomicU64::new(0),
        }
    }

    fn holds(&self) -> bool {
        nanos(self.began.elapsed()) < self.ends.load(SeqCst)
    }

    /// All changes before `moment` have been told.
    pub(crate) fn begin(&self, moment: Instant) {
        self.ends.store(self.end(moment), SeqCst);
    }

    /// The same, unless the proof has become void since; whether it has not.
    pub(crate) fn prolong(&self, moment: Instant) -> bool {
        let prolonged = |ends: u64| (ends != 0).then(|| self.end(moment));
        self.ends.fetch_update(SeqCst, SeqCst, prolonged).is_ok()
    }

    pub(crate) fn make_void(&self) {
        self.ends.store(0, SeqCst);
    }

    fn end(&self, moment: Instant) -> u64 {
        nanos(moment.saturating_duration_since(self.began) + WATCH_BOUND)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_ends_by_itself() {
        let now = Instant::now();
        let proof = Proof {
            began: now.checked_sub(WATCH_BOUND * 3).unwrap(),
            ends: AtomicU64::new(0),
        };
        assert!(!proof.holds());
        proof.begin(now.checked_sub(WATCH_BOUND).unwrap());
        assert!(!proof.holds(), "a bound ago");
        proof.begin(now + WATCH_BOUND);
        assert!(proof.holds());
    }

    #[test]
    fn a_void_proof_is_not_prolonged() {
        let proof = Proof::none_yet();
        let later = Instant::now() + WATCH_BOUND;
        assert!(!proof.prolong(later));
        proof.begin(later);
        assert!(proof.prolong(later) && proof.holds());
        proof.make_void();
        assert!(!proof.prolong(later) && !proof.holds());
    }
}
