//! The content of a session. The JSON is versioned: version N reads N−1 too.

use std::{collections::BTreeMap, time::Duration};

use kit::clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::mode::SessionMode;
use crate::{
    bearer::Bearer,
    credentials::Chosen,
    provider::{Grant, Identity},
};

/// The version that is written. Version 1 had neither mode nor device.
const VERSION: u32 = 2;
/// The most characters of a User-Agent that are kept.
const MAX_DEVICE: usize = 200;

/// How long sessions last.
#[derive(Clone, Copy, Debug)]
pub struct SessionLifetimes {
    /// Without use.
    pub idle: Duration,
    /// At most, however often they are used.
    pub longest: Duration,
}

/// Who signed in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct User {
    /// The provider's stable identifier of the user.
    pub(crate) sub: String,
    /// The display name.
    pub(crate) name: String,
    /// The email address, if the user granted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
}

/// Who signed in and how long the session lasts: the part without secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    v: u32,
    /// Its mode, which never changes.
    #[serde(default)]
    pub(crate) mode: SessionMode,
    /// How it gets credentials, where its login chose that; it never changes.
    #[serde(default, skip_serializing_if = "Chosen::is_default")]
    pub(crate) credentials: Chosen,
    /// Who signed in.
    pub(crate) user: User,
    /// The provider's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sid: Option<String>,
    /// When the provider issued the id_token, by its clock.
    #[serde(default)]
    pub(super) identified_at: Timestamp,
    /// When the user signed in to this app.
    pub(crate) created_at: Timestamp,
    /// When `expires_at` was last extended.
    pub(crate) slid_at: Timestamp,
    /// When the session expires unless it is used.
    pub(crate) expires_at: Timestamp,
    /// When it ends at the latest.
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
            credentials: Chosen::default(),
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
            credentials: Chosen::default(),
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

    /// The same, extended by a use at `now`. `None` while less than a twentieth of the
    /// idle time has passed, so that not each request writes.
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

/// An access token for one audience, and how long it lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccessToken {
    /// The token.
    pub(crate) token: Bearer,
    /// When it was requested.
    pub(crate) issued_at: Timestamp,
    /// When it ends.
    pub(crate) expires_at: Timestamp,
}

impl AccessToken {
    /// Whether it is valid for longer than `margin`, or than a tenth of its life: a
    /// token of a few seconds would be renewed at each call otherwise.
    pub(crate) fn lives_beyond(&self, now: Timestamp, margin: Duration) -> bool {
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

/// One user's session with this app. No `Debug`: it holds tokens.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "FlatRecord")]
pub(crate) struct Record {
    /// Who signed in and how long it lasts.
    #[serde(flatten)]
    pub(crate) about: About,
    /// The browser's User-Agent, shortened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<String>,
    /// The id_token, for the logout at the provider.
    pub(crate) id_token: String,
    /// Renews access tokens for every audience of the grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<String>,
    /// The access tokens, by audience and kind ([`UserToken::key`]).
    ///
    /// [`UserToken::key`]: crate::credentials::UserToken::key
    pub(crate) tokens: BTreeMap<String, AccessToken>,
}

/// A [`Record`] as its JSON has it. Each call in `stateful` reads one. To read a struct
/// with `flatten`, serde buffers all members first, which costs such a call 4 % more.
#[derive(Deserialize)]
struct FlatRecord {
    v: u32,
    #[serde(default)]
    mode: SessionMode,
    #[serde(default)]
    credentials: Chosen,
    user: User,
    sid: Option<String>,
    #[serde(default)]
    identified_at: Timestamp,
    created_at: Timestamp,
    slid_at: Timestamp,
    expires_at: Timestamp,
    ends_at: Timestamp,
    device: Option<String>,
    id_token: String,
    refresh_token: Option<String>,
    tokens: BTreeMap<String, AccessToken>,
}

impl From<FlatRecord> for Record {
    fn from(flat: FlatRecord) -> Self {
        Self {
            about: About {
                v: flat.v,
                mode: flat.mode,
                credentials: flat.credentials,
                user: flat.user,
                sid: flat.sid,
                identified_at: flat.identified_at,
                created_at: flat.created_at,
                slid_at: flat.slid_at,
                expires_at: flat.expires_at,
                ends_at: flat.ends_at,
            },
            device: flat.device,
            id_token: flat.id_token,
            refresh_token: flat.refresh_token,
            tokens: flat.tokens,
        }
    }
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

    /// The same, with the `User-Agent` of its browser.
    pub(crate) fn with_user_agent(mut self, user_agent: Option<&str>) -> Self {
        self.device = user_agent.map(|name| name.chars().take(MAX_DEVICE).collect());
        self
    }

    /// The same with the credentials that its login chose.
    pub(crate) fn choosing(mut self, credentials: Chosen) -> Self {
        self.about.credentials = credentials;
        self
    }

    /// The access token with the name `key`, if it is valid for longer than `margin`.
    pub(super) fn access_token(
        &self,
        key: &str,
        now: Timestamp,
        margin: Duration,
    ) -> Option<&AccessToken> {
        let kept = self.tokens.get(key)?;
        kept.lives_beyond(now, margin).then_some(kept)
    }

    /// Whether the session has an access token that is valid for longer than `margin`
    /// and that no API `rejected`.
    pub(crate) fn is_of_use(
        &self,
        now: Timestamp,
        margin: Duration,
        rejected: Option<&str>,
    ) -> bool {
        let mut kept = self.tokens.values();
        kept.any(|kept| rejected != Some(kept.token.token()) && kept.lives_beyond(now, margin))
    }

    /// Takes over the tokens of a refresh: the access token if it is for the requested
    /// `audience`, and the rotated refresh token. `redeemed` is the refresh token that was
    /// used: where the record has another one by now, that one is newer.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::CredentialMethod;

    const MARGIN: Duration = Duration::from_secs(30);

    fn token(life: i64) -> AccessToken {
        AccessToken {
            token: Bearer::new("a").unwrap(),
            issued_at: Timestamp::from_secs(1000),
            expires_at: Timestamp::from_secs(1000 + life),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let mut about = About::for_test(Timestamp::from_secs(9000));
        about.credentials.api1 = Some(CredentialMethod::ApiKey);
        about.user.email = Some("alice@example.com".to_owned());
        about.sid = Some("sid-1".to_owned());
        about.identified_at = Timestamp::from_secs(1);
        about.created_at = Timestamp::from_secs(2);
        about.slid_at = Timestamp::from_secs(3);
        about.expires_at = Timestamp::from_secs(8000);
        let full = Record {
            about,
            device: Some("a browser".to_owned()),
            id_token: "x.y.z".to_owned(),
            refresh_token: Some("r".to_owned()),
            tokens: [("https://api-1".to_owned(), token(900))].into(),
        };
        let bare = Record {
            about: About::for_test(Timestamp::from_secs(9000)),
            device: None,
            refresh_token: None,
            tokens: BTreeMap::new(),
            ..full.clone()
        };
        for (record, members) in [(full, 14), (bare, 10)] {
            let written = serde_json::to_value(&record).unwrap();
            assert_eq!(written.as_object().unwrap().len(), members, "{written}");
            let read: Record = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), written);
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
