//! An authorization code: pending, then exchanged, never again.

use kit::clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::AuthorizationRequest;
use crate::records::Record;

/// A code, found by its hash.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Code {
    /// The client that may redeem it.
    pub client_id: String,
    /// The grant that it becomes, or became.
    pub grant_id: String,
    /// How far it got.
    pub state: CodeState,
    /// When it can no longer be redeemed.
    pub redeemable_until: Timestamp,
    /// When it is forgotten: later, so that a second use is known as one.
    pub expires_at: Timestamp,
}

/// How far a code got.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeState {
    /// Nobody has redeemed it.
    Pending {
        /// What was asked.
        request: Box<AuthorizationRequest>,
        /// The login session.
        sid: String,
        /// The user.
        sub: String,
        /// When the user signed in.
        auth_time: Timestamp,
        /// How well.
        acr: String,
        /// By what.
        amr: Vec<String>,
        /// The end of the login session.
        session_ends: Timestamp,
    },
    /// Somebody has.
    Exchanged,
}

impl Record for Code {
    const KIND: &'static str = "code";

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}
