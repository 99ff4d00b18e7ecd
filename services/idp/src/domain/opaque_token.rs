//! An opaque access token: what it allows. The token itself is found by its hash.

use kit::clock::Timestamp;
use oauth_types::claims::AccessToken;
use serde::{Deserialize, Serialize};

use crate::records::Record;

/// An opaque access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpaqueToken {
    /// What a JWT in its place would say.
    pub claims: AccessToken,
}

impl Record for OpaqueToken {
    const KIND: &'static str = "access-token";

    fn expires_at(&self) -> Timestamp {
        Timestamp::from_secs(self.claims.exp)
    }
}
