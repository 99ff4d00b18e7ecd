//! Cache of verified tokens: verifying a signature costs more than the rest of a
//! request.

use std::{collections::HashMap, sync::Arc};

use kit::clock::Timestamp;
use parking_lot::Mutex;

use crate::verifier::Verified;

/// The maximum number of cached tokens.
const MAX_SEEN: usize = 4096;

/// The SHA-256 of a token, so the cache holds no bearer secret.
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
        // All are still valid: clearing costs one verification of each.
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
