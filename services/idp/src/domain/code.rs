//! An authorization code: pending, then exchanged, never again.

use kit::clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AuthorizationRequest, LoginSession};
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
    Pending(Box<Authorized>),
    /// Somebody has.
    Exchanged,
}

/// Who allowed what, and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Authorized {
    /// What was asked.
    pub request: AuthorizationRequest,
    /// Whose browser it was.
    pub login: LoginSession,
}

impl Record for Code {
    const KIND: &'static str = "code";

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}
