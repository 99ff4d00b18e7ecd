//! OIDC Back-Channel Logout 1.0: each client that takes part in a login session is
//! notified of its end. A notice is kept in the store until it is delivered, so that
//! neither an unreachable client nor a restart of the provider loses it.

mod logout_token;
mod outbox;
mod send;

use kit::{clock::Timestamp, seal::fingerprint};
pub use logout_token::LIFETIME as LOGOUT_TOKEN_LIFETIME;
pub use outbox::Outbox;
use serde::{Deserialize, Serialize};
use store::Charge;

use crate::{records::Record, session_index::SessionName};

/// A back-channel logout for one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The client.
    pub client_id: String,
    /// The session that has ended.
    pub sid: String,
    /// Its user.
    pub sub: String,
    /// When it was created.
    pub since: Timestamp,
    /// How many deliveries have failed.
    pub failures: u32,
    /// Its charge; none in a record of the previous version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<Charge>,
}

impl Notice {
    /// Notifies `client_id` of the end of `session`.
    pub fn new(client_id: &str, session: &SessionName, now: Timestamp) -> Self {
        Self {
            client_id: client_id.to_owned(),
            sid: session.sid.clone(),
            sub: session.sub.clone(),
            since: now,
            failures: 0,
            charge: None,
        }
    }

    /// Equal notices have the same id: each is delivered once, however often it is
    /// queued.
    fn id(&self) -> String {
        fingerprint(&format!("{}\n{}", self.sid, self.client_id))
    }
}

impl Record for Notice {
    const KIND: &'static str = "notice";

    fn expires_at(&self) -> Timestamp {
        self.since + outbox::GIVE_UP + outbox::LONGEST_PAUSE
    }
}
