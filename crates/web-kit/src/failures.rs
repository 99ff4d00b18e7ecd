//! Slows down guesses of secrets: failures count for what is guessed at each address, so
//! that a stranger's guesses never stop the secret's owner. They are counted in this
//! process, so a right secret costs no store command.

use std::{
    hash::{BuildHasher as _, Hash, RandomState},
    time::Duration,
};

use kit::{bounded_cache::BoundedCache, clock::Timestamp};
use parking_lot::Mutex;

use crate::client::AddrBucket;

/// From this number of failures on, the next attempt has to wait.
const LIMIT: u32 = 10;
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How long failures count after the last one.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);
/// The maximum number of entries.
const MAX_FAILURES: usize = 10_000;

/// Recent failures.
pub struct Failures {
    hasher: RandomState,
    recent: Mutex<Recent>,
}

type Key = (u64, AddrBucket);

struct Recent(BoundedCache<Key, Failed>);

#[derive(Clone, Copy, Default)]
struct Failed {
    times: u32,
    last: Timestamp,
    wait_until: Timestamp,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            recent: Mutex::new(Recent(BoundedCache::new(MAX_FAILURES))),
        }
    }
}

impl Failures {
    /// Whether the secret is right, as `is_right` compares it. `Err` with the time to
    /// wait if it is too early; nothing is compared then. The check, the comparison and
    /// the count are one atomic step.
    pub fn check(
        &self,
        key: impl Hash,
        from: AddrBucket,
        now: Timestamp,
        is_right: impl FnOnce() -> bool,
    ) -> Result<bool, Duration> {
        let key = self.key(key, from);
        let mut recent = self.recent.lock();
        if let Some(wait) = recent.wait(key, now) {
            return Err(wait);
        }
        let is_right = is_right();
        if is_right {
            recent.forget(key);
        } else {
            recent.add(key, now);
        }
        Ok(is_right)
    }

    /// The time to wait, for a check that takes longer.
    pub fn wait(&self, key: impl Hash, from: AddrBucket, now: Timestamp) -> Option<Duration> {
        self.recent.lock().wait(self.key(key, from), now)
    }

    /// Counts a failure.
    pub fn add(&self, key: impl Hash, from: AddrBucket, now: Timestamp) {
        self.recent.lock().add(self.key(key, from), now);
    }

    /// Clears the failures.
    pub fn forget(&self, key: impl Hash, from: AddrBucket) {
        self.recent.lock().forget(self.key(key, from));
    }

    fn key(&self, key: impl Hash, from: AddrBucket) -> Key {
        (self.hasher.hash_one(key), from)
    }
}

impl Recent {
    fn get(&self, key: Key, now: Timestamp) -> Option<Failed> {
        let failed = self.0.get(&key).copied();
        failed.filter(|failed| failed.last + REMEMBERED > now)
    }

    fn wait(&self, key: Key, now: Timestamp) -> Option<Duration> {
        let left = now.until(self.get(key, now)?.wait_until);
        (!left.is_zero()).then_some(left)
    }

    fn add(&mut self, key: Key, now: Timestamp) {
        let mut failed = self.get(key, now).unwrap_or_default();
        failed.times = failed.times.saturating_add(1);
        failed.last = now;
        if let Some(over) = failed.times.checked_sub(LIMIT) {
            let wait = Duration::from_secs(1 << over.min(16)).min(LONGEST_WAIT);
            failed.wait_until = now + wait;
        }
        self.0.insert(key, failed);
    }

    fn forget(&mut self, key: Key) {
        self.0.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use crate::client::ClientAddr;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const APP1: &str = "app1";

    fn from(n: u32) -> AddrBucket {
        ClientAddr::from(IpAddr::from(n.to_be_bytes())).bucket()
    }

    #[test]
    fn guesses_are_slowed_and_the_right_secret_waits_as_long() {
        let failures = Failures::default();
        for _ in 0..LIMIT {
            assert_eq!(failures.check(APP1, from(1), NOW, || false), Ok(false));
        }
        let second = Duration::from_secs(1);
        for is_right in [false, true] {
            let answer = failures.check(APP1, from(1), NOW, || is_right);
            assert_eq!(answer, Err(second), "no answer depends on the secret");
        }
        let later = NOW + second;
        assert_eq!(failures.check(APP1, from(1), later, || false), Ok(false));
        let answer = failures.check(APP1, from(1), later, || true);
        assert_eq!(answer, Err(second * 2));
        let much_later = later + LONGEST_WAIT;
        assert_eq!(failures.check(APP1, from(1), much_later, || true), Ok(true));
        assert_eq!(
            failures.check(APP1, from(1), much_later, || false),
            Ok(false)
        );
        assert_eq!(
            failures.wait(APP1, from(1), much_later),
            None,
            "it began anew"
        );
    }

    #[test]
    fn a_strangers_guesses_stop_neither_the_client_nor_another_one() {
        let failures = Failures::default();
        for _ in 0..100 {
            let _ = failures.check(APP1, from(1), NOW, || false);
        }
        assert_eq!(failures.check(APP1, from(2), NOW, || true), Ok(true));
        for other in ["batch", "", "operator"] {
            assert_eq!(failures.check(other, from(1), NOW, || true), Ok(true));
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_goes() {
        let failures = Failures::default();
        let many = u32::try_from(2 * MAX_FAILURES).unwrap();
        for n in 0..many {
            failures.add(APP1, from(n), NOW);
        }
        let recent = failures.recent.lock();
        assert_eq!(recent.0.len(), MAX_FAILURES);
        let newest = failures.key(APP1, from(many - 1));
        assert!(recent.get(newest, NOW).is_some());
        assert!(recent.get(failures.key(APP1, from(0)), NOW).is_none());
        assert!(recent.get(newest, NOW + REMEMBERED).is_none());
    }
}
