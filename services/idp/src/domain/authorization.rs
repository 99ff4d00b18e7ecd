//! Records from the authorization request to the code.

use kit::clock::Timestamp;
use oauth_types::Scope;
use serde::{Deserialize, Serialize};
use store::Charge;

use super::LoginSession;
use crate::{budgets::Budgeted, records::Record};

/// A checked authorization request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// The client.
    pub client_id: String,
    /// The redirect URI.
    pub redirect_uri: String,
    /// The requested scope, as far as the client may have it.
    pub scope: Scope,
    /// The audiences of the grant, that of the first access token first.
    pub audiences: Vec<String>,
    /// Returned unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// For the id_token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// PKCE, S256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_challenge: Option<String>,
    /// The thumbprint of the key that the code is bound to (RFC 9449 §10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_jkt: Option<String>,
    /// `prompt`.
    pub prompt: Vec<String>,
    /// `max_age`, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    /// The user name to fill in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_hint: Option<String>,
    /// The user that `id_token_hint` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_sub: Option<String>,
    /// The id of the pushed request, if it was pushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pushed: Option<String>,
}

impl AuthorizationRequest {
    /// Whether `prompt` has this value.
    pub fn prompts(&self, value: &str) -> bool {
        self.prompt.iter().any(|prompt| prompt == value)
    }
}

/// An authorization session: a request whose user is signing in or consenting. It is
/// linked to the login session once there is one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthorizationSession {
    /// The request.
    pub request: AuthorizationRequest,
    /// The browser: the hash of its cookie.
    pub browser: String,
    /// The user who has signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_in: Option<SignedIn>,
    /// The answer, kept for a while for a form that is submitted twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Answer>,
    /// Its end.
    pub expires_at: Timestamp,
    /// Its charge; none in a record of the previous version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<Charge>,
}

/// The answer that an authorization session got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A code.
    Code,
    /// An error for the client.
    Refusal,
}

/// The link from an authorization session to its login session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    /// The login session.
    pub sid: String,
    /// The user.
    pub sub: String,
    /// When, if the form of this authorization session began or continued the login
    /// session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

impl SignedIn {
    /// The link to `login`.
    pub fn to(login: &LoginSession) -> Self {
        Self {
            sid: login.sid.clone(),
            sub: login.sub.clone(),
            at: None,
        }
    }

    /// The link to `login`, which this form has just begun or continued.
    pub fn by_form(login: &LoginSession) -> Self {
        Self {
            at: Some(login.auth_time),
            ..Self::to(login)
        }
    }
}

impl Record for AuthorizationSession {
    const KIND: &'static str = "authorization";

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl Budgeted for AuthorizationSession {
    fn charge(&mut self) -> &mut Option<Charge> {
        &mut self.charge
    }
}

/// A pushed request (RFC 9126). It is removed when the authorization completes, not when
/// its page is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PushedRequest {
    /// The client that pushed it.
    pub client_id: String,
    /// The request.
    #[serde(flatten)]
    pub content: PushedContent,
    /// The latest time to open its page.
    pub usable_until: Timestamp,
    /// The latest time to complete it.
    pub expires_at: Timestamp,
    /// Whether its page was opened. It is then charged to the browser's address and lasts
    /// as long as the page.
    #[serde(default)]
    pub opened: bool,
    /// Its charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<Charge>,
}

/// The content of a pushed request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushedContent {
    /// The checked request.
    Request(Box<AuthorizationRequest>),
    /// Unchecked parameters, from a process of the previous version.
    Params(Vec<(String, String)>),
}

impl Record for PushedRequest {
    const KIND: &'static str = "pushed";
    /// Version 1 held parameters.
    const VERSION: u32 = 2;

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl Budgeted for PushedRequest {
    fn charge(&mut self) -> &mut Option<Charge> {
        &mut self.charge
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pushed_request_of_the_previous_version_is_read() {
        let before = r#"{"client_id":"app2","params":[["scope","openid"]],
            "usable_until":5000,"expires_at":9000}"#;
        let pushed: PushedRequest = serde_json::from_str(before).unwrap();
        assert!(!pushed.opened);
        assert_eq!(pushed.expires_at, Timestamp::from_millis(9000));
        let PushedContent::Params(params) = pushed.content else {
            panic!("parameters")
        };
        assert_eq!(params, [("scope".to_owned(), "openid".to_owned())]);
    }
}
