//! What a session holds. The JSON is versioned: version N reads N−1 too.

use std::{collections::BTreeMap, time::Duration};

use kit::clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AccessToken, SessionMode};
use crate::provider::{Grant, Identity};

/// The version that is written. Version 1 knew neither mode nor device.
const VERSION: u32 = 2;
/// The most characters of a browser's own name that are kept.
const MAX_DEVICE: usize = 200;

/// How long sessions last.
#[derive(Clone, Copy, Debug)]
pub struct SessionLifetimes {
    /// Without a request.
    pub idle: Duration,
    /// Whatever happens. The refresh token ends then, too.
    pub longest: Duration,
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

/// Whose session it is and how long it lasts: what of it is no secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    v: u32,
    /// How it is kept. It stays so for as long as it lives.
    #[serde(default)]
    pub(crate) mode: SessionMode,
    /// Who signed in.
    pub(crate) user: User,
    /// The provider's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sid: Option<String>,
    /// When the provider said who it is, by its clock.
    #[serde(default)]
    pub(super) identified_at: Timestamp,
    /// When the user signed in to this app.
    pub(crate) created_at: Timestamp,
    /// When `expires_at` was last moved.
    pub(crate) slid_at: Timestamp,
    /// When the session ends if nothing happens until then.
    pub(crate) expires_at: Timestamp,
    /// When it ends whatever happens.
    pub(crate) ends_at: Timestamp,
}

impl About {
    /// Of a session that `identity` begins now.
    fn new(
        identity: &Identity,
        mode: SessionMode,
        now: Timestamp,
        lifetimes: SessionLifetimes,
    ) -> Self {
        let ends_at = now + lifetimes.longest;
        Self {
            v: VERSION,
            mode,
            user: User {
                sub: identity.sub.clone(),
                name: identity.name.clone(),
                email: identity.email.clone(),
            },
            sid: identity.sid.clone(),
            identified_at: identity.issued_at,
            created_at: now,
            slid_at: now,
            expires_at: ends_at.min(now + lifetimes.idle),
            ends_at,
        }
    }

    #[cfg(test)]
    pub(super) fn for_test(ends_at: Timestamp) -> Self {
        Self {
            v: VERSION,
            mode: SessionMode::Stateless,
            user: User {
                sub: "user-1".to_owned(),
                name: "Alice".to_owned(),
                email: None,
            },
            sid: None,
            identified_at: Timestamp::default(),
            created_at: Timestamp::default(),
            slid_at: Timestamp::default(),
            expires_at: ends_at,
            ends_at,
        }
    }

    /// Whether this process can read it, and it has not ended.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        (VERSION - 1..=VERSION).contains(&self.v) && now < self.expires_at
    }

    /// Moved on to `now`: at most to its end. `None` while less than a
    /// twentieth of the idle time has gone by, so that not each request writes.
    pub(super) fn slid(&self, now: Timestamp, idle: Duration) -> Option<Self> {
        if now < self.slid_at + idle / 20 {
            return None;
        }
        Some(Self {
            v: VERSION,
            slid_at: now,
            expires_at: self.ends_at.min(now + idle),
            ..self.clone()
        })
    }
}

/// One user's session with this app. No `Debug`: it holds tokens.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Whose it is and how long it lasts.
    #[serde(flatten)]
    pub(crate) about: About,
    /// The browser's name for itself, shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<String>,
    /// What the provider said about the user, for later calls to it.
    pub(crate) id_token: String,
    /// Mints access tokens for every audience of the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<String>,
    /// The access tokens, by audience.
    pub(crate) tokens: BTreeMap<String, AccessToken>,
}

impl Record {
    /// A new session in `mode`, from a login's tokens; the access token is for
    /// `audience`.
    pub(crate) fn new(
        identity: Identity,
        grant: &Grant,
        audience: &str,
        mode: SessionMode,
        now: Timestamp,
        lifetimes: SessionLifetimes,
    ) -> Self {
        Self {
            about: About::new(&identity, mode, now, lifetimes),
            device: None,
            id_token: identity.id_token,
            refresh_token: grant.refresh_token.clone(),
            tokens: BTreeMap::from([(audience.to_owned(), AccessToken::from(grant))]),
        }
    }

    /// The same from the browser that calls itself `user_agent`.
    pub(crate) fn on(mut self, user_agent: Option<&str>) -> Self {
        self.device = user_agent.map(|name| name.chars().take(MAX_DEVICE).collect());
        self
    }

    /// The token for `audience`, if it still lives longer than `margin`.
    pub(crate) fn usable(
        &self,
        audience: &str,
        now: Timestamp,
        margin: Duration,
    ) -> Option<&AccessToken> {
        let kept = self.tokens.get(audience)?;
        kept.lives_beyond(now, margin).then_some(kept)
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
        kept.any(|kept| refused != Some(kept.token.token()) && kept.lives_beyond(now, margin))
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
