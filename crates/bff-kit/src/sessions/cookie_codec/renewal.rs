//! What renews a `stateless` session and ends it at the provider.

use std::collections::BTreeMap;

use kit::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sessions::{
    ended::{Ended, latest},
    record::Record,
};

/// What the sealed cookie holds. No `Debug`: it holds tokens.
#[derive(Clone, Serialize, Deserialize)]
pub(in crate::sessions) struct Renewal {
    /// Renews access tokens for every audience of the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::sessions) refresh_token: Option<String>,
    /// The id_token, for the logout at the provider.
    id_token: String,
    /// When the newest access token for each audience expires: after a logout nothing
    /// else tells.
    until: BTreeMap<String, Timestamp>,
}

impl Renewal {
    /// That of a new session.
    pub(in crate::sessions) fn of(record: &Record) -> Self {
        let tokens = record.tokens.iter();
        Self {
            refresh_token: record.refresh_token.clone(),
            id_token: record.id_token.clone(),
            until: latest(tokens.map(|(key, token)| (key.as_str(), token.expires_at))),
        }
    }

    /// The same with the refresh token's `successor`, if there is one.
    pub(in crate::sessions) fn after(mut self, successor: Option<&String>) -> Self {
        if let Some(successor) = successor {
            self.refresh_token = Some(successor.clone());
        }
        self
    }

    /// The same with a new access token for `audience`, which ends at `until`.
    pub(in crate::sessions) fn with(mut self, audience: &str, until: Timestamp) -> Self {
        self.until.insert(audience.to_owned(), until);
        self
    }

    /// Records another access token that was issued for the same refresh token.
    pub(in crate::sessions) fn beside(&mut self, audience: &str, until: Timestamp) {
        let known = self.until.entry(audience.to_owned()).or_insert(until);
        *known = until.max(*known);
    }

    /// What is left of the session.
    pub(in crate::sessions) fn ended(self) -> Ended {
        Ended {
            id_token: Some(self.id_token),
            refresh_token: self.refresh_token,
            still_good: self.until,
            ..Ended::default()
        }
    }
}
