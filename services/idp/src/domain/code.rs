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
    /// The grant that redeeming it creates.
    pub grant_id: String,
    /// Its state.
    pub state: CodeState,
    /// When it can no longer be redeemed.
    pub redeemable_until: Timestamp,
    /// When the record ends: later, to detect a second use.
    pub expires_at: Timestamp,
}

/// The state of a code.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeState {
    /// Not redeemed yet.
    Pending(Box<Authorized>),
    /// Redeemed.
    Exchanged,
}

/// The request and the user who authorized it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Authorized {
    /// The request.
    pub request: AuthorizationRequest,
    /// The login session.
    pub login: LoginSession,
}

impl Record for Code {
    const KIND: &'static str = "code";

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}
