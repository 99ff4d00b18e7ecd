//! The proofs that were used, in the store: none counts twice (RFC 9449 §11.1), at
//! whichever replica.

use std::sync::Arc;

use bytes::Bytes;
use kit::clock::Timestamp;
use store::{SharedStore, StoreError};

use super::ValidProof;

/// The used proofs of one server.
#[derive(Clone)]
pub struct UsedProofs {
    store: SharedStore,
    prefix: Arc<str>,
}

impl UsedProofs {
    /// Under keys that begin with `prefix`.
    pub fn new(store: SharedStore, prefix: &str) -> Self {
        Self {
            store,
            prefix: prefix.into(),
        }
    }

    /// The key of `proof` in the store.
    pub fn key(&self, proof: &ValidProof) -> String {
        format!("{}{}", self.prefix, proof.fingerprint)
    }

    /// Marks `proof` as used, for as long as it could be used again: one command to the
    /// store. Returns whether this call did.
    pub async fn mark(&self, proof: &ValidProof, now: Timestamp) -> Result<bool, StoreError> {
        let ttl = proof.ttl(now);
        let used = Bytes::from_static(b"1");
        self.store.put_new(&self.key(proof), used, ttl).await
    }
}

impl std::fmt::Debug for UsedProofs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UsedProofs")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
