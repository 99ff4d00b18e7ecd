//! What renews a `stateless` session, and what ends it at the provider.

use std::collections::BTreeMap;

use kit::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    provider::Grant,
    sessions::{Ended, Record},
};

/// What the sealed cookie holds. No `Debug`: it holds tokens.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Renewal {
    /// Mints access tokens for every audience of the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<String>,
    /// What the provider said about the user: names the session at its logout.
    id_token: String,
    /// Until when the newest access token for each audience is good: after a
    /// logout nobody can say it otherwise.
    until: BTreeMap<String, Timestamp>,
}

impl Renewal {
    /// Of a session that begins.
    pub(crate) fn of(record: &Record) -> Self {
        let tokens = record.tokens.iter();
        Self {
            refresh_token: record.refresh_token.clone(),
            id_token: record.id_token.clone(),
            until: tokens
                .map(|(audience, token)| (audience.clone(), token.expires_at))
                .collect(),
        }
    }

    /// After a refresh for `audience`.
    pub(crate) fn after(mut self, audience: &str, grant: &Grant) -> Self {
        self.until.insert(audience.to_owned(), grant.expires_at);
        if let Some(successor) = &grant.refresh_token {
            self.refresh_token = Some(successor.clone());
        }
        self
    }

    /// Also tells of another access token that was minted beside it.
    pub(crate) fn beside(&mut self, audience: &str, until: Timestamp) {
        let known = self.until.entry(audience.to_owned()).or_insert(until);
        *known = until.max(*known);
    }

    /// What is left of the session.
    pub(in crate::sessions) fn ended(self) -> Ended {
        Ended {
            id_token: Some(self.id_token),
            refresh_token: self.refresh_token,
            still_good: self.until,
        }
    }
}
