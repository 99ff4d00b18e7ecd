//! How many used proofs of one caller this process keeps in the store. Each is a record until
//! it has expired, so a holder of a bound token could fill the store otherwise.

use std::time::Duration;

use kit::{clock::Timestamp, live_counts::LiveCounts};
use oauth_types::claims::AccessToken;

use super::ValidProof;

/// Counts the used proofs of each caller, in this process. A caller is a client with the
/// tokens of one user: no other client of the user, and no other user of the client, has to
/// wait for it.
#[derive(Debug)]
pub struct ProofQuota {
    most: usize,
    kept: LiveCounts,
}

impl ProofQuota {
    /// At most `most` proofs of one caller that have not expired.
    pub fn of(most: usize) -> Self {
        Self {
            most,
            kept: LiveCounts::new(),
        }
    }

    /// Counts `proof`, which came with `token`. `Err` with the time to wait if the caller has
    /// too many.
    pub(crate) fn enter(
        &self,
        token: &AccessToken,
        proof: &ValidProof,
        now: Timestamp,
    ) -> Result<(), Duration> {
        let end = proof.until();
        self.kept.enter(&caller(token), self.most, end, now)
    }

    /// Takes back a `proof` that left no record.
    pub(crate) fn leave(&self, token: &AccessToken, proof: &ValidProof) {
        self.kept.leave(&caller(token), proof.until());
    }
}

fn caller(token: &AccessToken) -> String {
    format!("{} {}", token.client_id, token.sub)
}
