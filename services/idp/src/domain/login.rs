//! The browser's session here: the seed's login session, found by its cookie.

use kit::{clock::Timestamp, seal::fingerprint};
use oauth_types::secret::same_secret;
use serde::{Deserialize, Serialize};

use crate::records::Record;

/// The most characters of a User-Agent that are kept.
const MAX_USER_AGENT: usize = 256;

/// Who signed in with this browser, when and how. Its id is the `sid` of the
/// tokens; the cookie holds the id and a secret beside it.
///
/// Fields that came later have a default: a process of the version before goes
/// on reading the record, and we read its.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginSession {
    /// `sid`.
    pub sid: String,
    /// The hash of the cookie's secret.
    secret: String,
    /// The user.
    pub sub: String,
    /// When the password was typed.
    pub auth_time: Timestamp,
    /// How well.
    pub acr: String,
    /// By what.
    pub amr: Vec<String>,
    /// Its end; not prolonged but by signing in again.
    pub expires_at: Timestamp,
    /// When the user first signed in with this browser.
    #[serde(default)]
    began: Option<Timestamp>,
    /// What the browser calls itself.
    #[serde(default)]
    pub user_agent: Option<String>,
    /// How far it got.
    #[serde(default)]
    pub state: LoginState,
}

/// How far a login session got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginState {
    /// The user is signed in.
    #[default]
    Live,
    /// It is over, and the record goes when all that hangs on it is undone.
    Ending(EndReason),
}

/// Why a login session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The user signed out (RP-Initiated Logout).
    Logout,
    /// The user ended it on `/account`.
    Account,
    /// An operator did.
    Operator,
    /// Its time was over.
    Expiry,
    /// Another user signed in with the same browser.
    AnotherUser,
    /// The user had too many, and it would have ended first.
    TooMany,
    /// The user's password, or whether the user may sign in, has changed.
    UserChanged,
    /// The store had lost its place in a list.
    Unlisted,
}

impl EndReason {
    /// In a word, for metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Account => "account",
            Self::Operator => "operator",
            Self::Expiry => "expiry",
            Self::AnotherUser => "another_user",
            Self::TooMany => "too_many",
            Self::UserChanged => "user_changed",
            Self::Unlisted => "unlisted",
        }
    }

    /// For the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Account => "ended on /account",
            Self::Operator => "ended by an operator",
            Self::Expiry => "expired",
            Self::AnotherUser => "another user signed in",
            Self::TooMany => "the user had too many",
            Self::UserChanged => "the user's password or standing changed",
            Self::Unlisted => "the store had lost its place in a list",
        }
    }
}

impl LoginSession {
    /// A session of `sub`, whose cookie has this `secret`.
    pub fn new(
        sid: String,
        secret: &str,
        sub: String,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            sid,
            secret: fingerprint(secret),
            sub,
            auth_time: now,
            acr: super::ACR_PASSWORD.to_owned(),
            amr: vec![super::AMR_PASSWORD.to_owned()],
            expires_at,
            began: Some(now),
            user_agent: None,
            state: LoginState::Live,
        }
    }

    /// In a browser that calls itself so; what is too long is cut.
    pub fn in_browser(mut self, user_agent: Option<&str>) -> Self {
        self.user_agent = user_agent.map(|text| text.chars().take(MAX_USER_AGENT).collect());
        self
    }

    /// The same user's session of `before`, gone on with.
    pub fn continuing(mut self, before: &Self) -> Self {
        self.sid.clone_from(&before.sid);
        self.began = Some(before.began());
        self
    }

    /// When the user first signed in with this browser.
    pub fn began(&self) -> Timestamp {
        self.began.unwrap_or(self.auth_time)
    }

    /// Whether the user is signed in.
    pub fn is_live(&self) -> bool {
        self.state == LoginState::Live
    }

    /// The same, over.
    pub fn ending(&self, reason: EndReason) -> Self {
        Self {
            state: LoginState::Ending(reason),
            ..self.clone()
        }
    }

    /// Whether the cookie's secret is this session's.
    pub fn has_secret(&self, secret: &str) -> bool {
        same_secret(&self.secret, &fingerprint(secret))
    }
}

impl Record for LoginSession {
    const KIND: &'static str = "login";

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_the_version_before_is_a_live_session() {
        let before = r#"{"sid":"s","secret":"x","sub":"u","auth_time":5000,
            "acr":"a","amr":["pwd"],"expires_at":9000}"#;
        let login: LoginSession = serde_json::from_str(before).unwrap();
        assert!(login.is_live());
        assert_eq!(login.began(), Timestamp::from_millis(5000));
        assert_eq!(login.user_agent, None);
    }

    #[test]
    fn a_user_agent_is_cut() {
        let at = Timestamp::from_secs(1);
        let login = LoginSession::new("s".into(), "x", "u".into(), at, at);
        let login = login.in_browser(Some(&"ä".repeat(9999)));
        assert_eq!(login.user_agent.unwrap().chars().count(), MAX_USER_AGENT);
    }
}
