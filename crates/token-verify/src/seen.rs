//! Tokens found good a moment ago: checking a signature costs more than all
//! the rest of a request.

use std::{collections::HashMap, sync::Arc};

use kit::clock::Timestamp;
use parking_lot::Mutex;

use crate::verifier::Verified;

/// The most tokens that are remembered.
const MAX_SEEN: usize = 4096;

/// A token, known by its SHA-256: a bearer secret is not kept.
pub(crate) type Fingerprint = [u8; 32];

#[derive(Default)]
pub(crate) struct Seen(Mutex<HashMap<Fingerprint, Arc<Verified>>>);

impl Seen {
    pub(crate) fn get(&self, token: &Fingerprint) -> Option<Arc<Verified>> {
        self.0.lock().get(token).cloned()
    }

    pub(crate) fn put(&self, token: Fingerprint, verified: Arc<Verified>, now: Timestamp) {
        let mut seen = self.0.lock();
        if seen.len() >= MAX_SEEN {
            seen.retain(|_, verified| verified.claims().exp > now.secs());
        }
        // All still live: forgetting them costs one check of each.
        if seen.len() >= MAX_SEEN {
            seen.clear();
        }
        seen.insert(token, verified);
    }

    pub(crate) fn forget(&self, token: &Fingerprint) {
        self.0.lock().remove(token);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}
