//! What a session holds. The JSON is versioned: version N reads N−1 too.

use std::{collections::BTreeMap, time::Duration};

use kit::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::provider::{Grant, Identity};

/// The version that is written. It is the first, so no older one is read.
const VERSION: u32 = 1;

/// One user's session with this app. No `Debug`: it holds tokens.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    v: u32,
    /// Who signed in.
    pub(crate) user: User,
    /// The provider's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sid: Option<String>,
    /// What the provider said about the user, for later calls to it.
    pub(crate) id_token: String,
    /// Mints access tokens for every audience of the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<String>,
    /// The access tokens, by audience.
    pub(crate) tokens: BTreeMap<String, AccessToken>,
    /// When the user signed in to this app.
    pub(crate) created_at: Timestamp,
    /// When `expires_at` was last moved.
    pub(crate) slid_at: Timestamp,
    /// When the session ends if nothing happens until then.
    pub(crate) expires_at: Timestamp,
    /// When it ends whatever happens.
    pub(crate) ends_at: Timestamp,
}

/// Who signed in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct User {
    /// The provider's stable name for the user.
    pub(crate) sub: String,
    /// A name to greet with.
    pub(crate) name: String,
    /// The user's address, where it was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
}

/// An access token for one audience. No `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct AccessToken {
    token: String,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

/// How long sessions last.
#[derive(Clone, Copy, Debug)]
pub struct SessionLifetimes {
    /// Without a request.
    pub idle: Duration,
    /// Whatever happens. The refresh token ends then, too.
    pub longest: Duration,
}

impl Record {
    /// A new session, from a login's tokens.
    pub(crate) fn new(
        identity: Identity,
        grant: &Grant,
        audience: &str,
        now: Timestamp,
        lifetimes: SessionLifetimes,
    ) -> Self {
        let ends_at = now + lifetimes.longest;
        let Identity {
            sub,
            name,
            email,
            sid,
            id_token,
        } = identity;
        Self {
            v: VERSION,
            user: User { sub, name, email },
            sid,
            id_token,
            refresh_token: grant.refresh_token.clone(),
            tokens: BTreeMap::from([(audience.to_owned(), AccessToken::from(grant))]),
            created_at: now,
            slid_at: now,
            expires_at: ends_at.min(now + lifetimes.idle),
            ends_at,
        }
    }

    /// Reads a record; `None` for a version that is not known.
    pub(super) fn read(plain: &[u8]) -> Option<Self> {
        serde_json::from_slice(plain)
            .ok()
            .filter(|record: &Self| record.v == VERSION)
    }

    /// The token for `audience`, if it still lives longer than `margin`.
    pub(crate) fn usable(&self, audience: &str, now: Timestamp, margin: Duration) -> Option<&str> {
        let kept = self.tokens.get(audience)?;
        kept.lives_beyond(now, margin).then_some(&kept.token)
    }

    /// Whether a kept token still lives longer than `margin`, but for the one
    /// that an API `refused`.
    pub(crate) fn is_of_use(
        &self,
        now: Timestamp,
        margin: Duration,
        refused: Option<&str>,
    ) -> bool {
        let mut kept = self.tokens.values();
        kept.any(|kept| refused != Some(&kept.token) && kept.lives_beyond(now, margin))
    }

    /// The session moved on to `now`: at most to its end. `None` while less than
    /// a twentieth of the idle time has gone by, so that not each request writes.
    pub(super) fn slid(&self, now: Timestamp, idle: Duration) -> Option<Self> {
        if now < self.slid_at + idle / 20 {
            return None;
        }
        let expires_at = self.ends_at.min(now + idle);
        Some(Self {
            slid_at: now,
            expires_at,
            ..self.clone()
        })
    }

    /// Takes over what a refresh gave: the access token where it is for an
    /// `audience` that was asked for, and the rotated refresh token. `redeemed`
    /// is the one that it cost: where the record has another by now, that one
    /// is the newer.
    pub(crate) fn take_over(&mut self, audience: Option<&str>, redeemed: &str, grant: &Grant) {
        if let Some(audience) = audience {
            self.tokens
                .insert(audience.to_owned(), AccessToken::from(grant));
        }
        if let Some(successor) = &grant.refresh_token
            && self.refresh_token.as_deref() == Some(redeemed)
        {
            self.refresh_token = Some(successor.clone());
        }
    }
}

impl AccessToken {
    /// `margin` is never more than a tenth of the token's life: a token of a
    /// few seconds would be renewed at each call otherwise.
    fn lives_beyond(&self, now: Timestamp, margin: Duration) -> bool {
        let life = self.issued_at.until(self.expires_at);
        now + margin.min(life / 10) < self.expires_at
    }
}

impl From<&Grant> for AccessToken {
    fn from(grant: &Grant) -> Self {
        Self {
            token: grant.access_token.clone(),
            issued_at: grant.issued_at,
            expires_at: grant.expires_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARGIN: Duration = Duration::from_secs(30);

    fn token(life: i64) -> AccessToken {
        AccessToken {
            token: "a".into(),
            issued_at: Timestamp::from_secs(1000),
            expires_at: Timestamp::from_secs(1000 + life),
        }
    }

    #[test]
    fn a_token_about_to_end_does_not_count() {
        let lives = |life, at| token(life).lives_beyond(Timestamp::from_secs(at), MARGIN);
        assert!(lives(900, 1869));
        assert!(!lives(900, 1870));
        assert!(!lives(900, 5000));
    }

    #[test]
    fn the_margin_is_at_most_a_tenth_of_the_tokens_life() {
        let lives = |millis| token(10).lives_beyond(Timestamp::from_millis(millis), MARGIN);
        assert!(lives(1_008_999));
        assert!(!lives(1_009_000));
    }
}
