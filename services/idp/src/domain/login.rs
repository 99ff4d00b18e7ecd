//! The browser's session here: the seed's login session, found by its cookie.

use kit::{clock::Timestamp, seal::fingerprint};
use oauth_types::secret::same_secret;
use serde::{Deserialize, Serialize};

use crate::records::Record;

/// Who signed in with this browser, when and how. Its id is the `sid` of the
/// tokens; the cookie holds the id and a secret beside it.
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
    /// Its end; not prolonged.
    pub expires_at: Timestamp,
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
