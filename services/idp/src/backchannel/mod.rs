//! OIDC Back-Channel Logout 1.0: each app that took part in a login session is
//! told that it is over. What has to be told lies in the store until it was, so
//! that neither an app that is down nor a restart here loses it.

mod logout_token;
mod outbox;
mod send;

use kit::{clock::Timestamp, seal::fingerprint};
pub use outbox::Outbox;
use serde::{Deserialize, Serialize};
use store::Charge;

use crate::{records::Record, sessions::index::SessionName};

/// What one app has to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The app.
    pub client_id: String,
    /// The session that is over.
    pub sid: String,
    /// Its user.
    pub sub: String,
    /// Since when it has to be told.
    pub since: Timestamp,
    /// How often that failed.
    pub failures: u32,
    /// What it is charged; one of the version before has nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<Charge>,
}

impl Notice {
    /// That `session` is over, for `client_id`.
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

    /// The same news has the same id: told once, however often it is queued.
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
