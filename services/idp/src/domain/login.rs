//! The login session of a browser at the provider.

use kit::{clock::Timestamp, seal::fingerprint};
use oauth_types::secret::same_secret;
use serde::{Deserialize, Serialize};

use crate::records::Record;

/// The most characters of a User-Agent that are stored.
const MAX_USER_AGENT: usize = 256;

/// A login session: who signed in with this browser, when and how. Its id is the `sid`
/// of the tokens; the cookie has the id and a secret.
///
/// Newer fields have a default: processes of the previous version read these records,
/// and theirs are read here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginSession {
    /// `sid`.
    pub sid: String,
    /// The hash of the secret in the cookie.
    secret: String,
    /// The user.
    pub sub: String,
    /// When the user last signed in.
    pub auth_time: Timestamp,
    /// `acr`: the strength of the authentication.
    pub acr: String,
    /// `amr`: the methods of the authentication.
    pub amr: Vec<String>,
    /// Its end; only signing in again prolongs it.
    pub expires_at: Timestamp,
    /// When the user first signed in with this browser.
    #[serde(default)]
    began: Option<Timestamp>,
    /// The User-Agent of the browser.
    #[serde(default)]
    pub user_agent: Option<String>,
    /// Its state.
    #[serde(default)]
    pub state: LoginState,
}

/// The state of a login session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginState {
    /// The user is signed in.
    #[default]
    Live,
    /// It is ending: the record is removed once its grants are revoked and its clients
    /// notified.
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
    /// An operator ended it.
    Operator,
    /// It expired.
    Expiry,
    /// Another user signed in with the same browser.
    AnotherUser,
    /// The user exceeded the quota; it was the oldest.
    TooMany,
    /// The user's password or `enabled` flag has changed, or the user was removed.
    UserChanged,
    /// The store had lost its entry in a list.
    Unlisted,
}

impl EndReason {
    /// The label in metrics.
    pub const fn label(self) -> &'static str {
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

    /// The text in the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Account => "ended on /account",
            Self::Operator => "ended by an operator",
            Self::Expiry => "expired",
            Self::AnotherUser => "another user signed in",
            Self::TooMany => "the user exceeded the quota",
            Self::UserChanged => "the user's password or enabled flag changed",
            Self::Unlisted => "the store had lost its list entry",
        }
    }
}

impl LoginSession {
    /// A new session of `sub` with this `secret` in the cookie.
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

    /// With a User-Agent, truncated if it is too long.
    pub fn in_browser(mut self, user_agent: Option<&str>) -> Self {
        self.user_agent = user_agent.map(|text| text.chars().take(MAX_USER_AGENT).collect());
        self
    }

    /// The continuation of `before`, a session of the same user.
    pub fn continuing(mut self, before: &Self) -> Self {
        self.sid.clone_from(&before.sid);
        self.began = Some(before.began());
        self
    }

    /// When the user first signed in with this browser.
    pub fn began(&self) -> Timestamp {
        self.began.unwrap_or(self.auth_time)
    }

    /// Whether it is live.
    pub fn is_live(&self) -> bool {
        self.state == LoginState::Live
    }

    /// The same session, ending.
    pub fn ending(&self, reason: EndReason) -> Self {
        Self {
            state: LoginState::Ending(reason),
            ..self.clone()
        }
    }

    /// Whether `secret` is the secret of this session.
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
    fn a_record_of_the_previous_version_is_a_live_session() {
        let before = r#"{"sid":"s","secret":"x","sub":"u","auth_time":5000,
            "acr":"a","amr":["pwd"],"expires_at":9000}"#;
        let login: LoginSession = serde_json::from_str(before).unwrap();
        assert!(login.is_live());
        assert_eq!(login.began(), Timestamp::from_millis(5000));
        assert_eq!(login.user_agent, None);
    }

    #[test]
    fn a_user_agent_is_truncated() {
        let at = Timestamp::from_secs(1);
        let login = LoginSession::new("s".into(), "x", "u".into(), at, at);
        let login = login.in_browser(Some(&"ä".repeat(9999)));
        assert_eq!(login.user_agent.unwrap().chars().count(), MAX_USER_AGENT);
    }
}
