//! Cookies found good a moment ago: opening and checking them anew would cost
//! more than all the rest of a call. What they hold is kept for as long, in
//! this process's memory alone.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_lc_rs::digest::{Context, SHA256};
use kit::clock::Timestamp;
use parking_lot::Mutex;

use super::Carried;

/// The most that are remembered.
const MAX_SEEN: usize = 8192;
/// For how long: a key that the provider withdraws is noticed then.
const REMEMBERED: Duration = Duration::from_secs(30);

/// All that decides, known by its SHA-256.
pub(super) type Fingerprint = [u8; 32];

/// Of `parts`, which cannot run into each other.
pub(super) fn fingerprint(parts: [&str; 4]) -> Fingerprint {
    let mut hash = Context::new(&SHA256);
    for part in parts {
        hash.update(&part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(hash.finish().as_ref());
    fingerprint
}

#[derive(Default)]
pub(super) struct Seen(Mutex<HashMap<Fingerprint, (Arc<Carried>, Timestamp)>>);

impl Seen {
    pub(super) fn get(&self, cookies: &Fingerprint, now: Timestamp) -> Option<Arc<Carried>> {
        let seen = self.0.lock();
        let (carried, until) = seen.get(cookies)?;
        (now < *until).then(|| carried.clone())
    }

    pub(super) fn put(&self, cookies: Fingerprint, carried: Arc<Carried>, now: Timestamp) {
        let mut seen = self.0.lock();
        if seen.len() >= MAX_SEEN {
            seen.retain(|_, (_, until)| now < *until);
        }
        // All of them fresh: forgetting them costs one check of each.
        if seen.len() >= MAX_SEEN {
            seen.clear();
        }
        seen.insert(cookies, (carried, now + REMEMBERED));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(
            fingerprint(["a", "bc", "", ""]),
            fingerprint(["ab", "c", "", ""])
        );
        assert_ne!(
            fingerprint(["a", "", "b", ""]),
            fingerprint(["a", "b", "", ""])
        );
    }
}
