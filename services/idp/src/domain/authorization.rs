//! From the authorization request to the code.

use kit::clock::Timestamp;
use oauth_types::Scope;
use serde::{Deserialize, Serialize};
use store::Charge;

use super::LoginSession;
use crate::{budgets::Budgeted, records::Record};

/// A request that passed every check (the seed's authorization session holds it).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// The client.
    pub client_id: String,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// What the client asks for, all of it allowed to the client.
    pub scope: Scope,
    /// The audiences that the grant will cover, the first access token's first.
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
    /// `prompt`.
    pub prompt: Vec<String>,
    /// `max_age`, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    /// For the form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_hint: Option<String>,
    /// The user that `id_token_hint` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_sub: Option<String>,
    /// The pushed request that this came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pushed: Option<String>,
}

impl AuthorizationRequest {
    /// Whether `prompt` has this value.
    pub fn prompts(&self, value: &str) -> bool {
        self.prompt.iter().any(|prompt| prompt == value)
    }
}

/// A request whose user is signing in or consenting: the seed's authorization
/// session, linked to a login session once there is one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthorizationSession {
    /// What is asked.
    pub request: AuthorizationRequest,
    /// The browser that it belongs to, by the hash of its cookie.
    pub browser: String,
    /// Who signed in for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_in: Option<SignedIn>,
    /// How it was answered: kept for a while, since a form is easily sent twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Answer>,
    /// Its end.
    pub expires_at: Timestamp,
    /// What it is charged; a record of the version before has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<Charge>,
}

/// What the user's last form came to.
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
    /// When, where this authorization session's own form began it or went on
    /// with it.
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

    /// The link to `login`, which this form has just begun or gone on with.
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

/// A pushed request (RFC 9126), used up when the authorization completes and
/// not when its page is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PushedRequest {
    /// The client that pushed it.
    pub client_id: String,
    /// What it asks for.
    #[serde(flatten)]
    pub content: PushedContent,
    /// Until then its page may be opened.
    pub usable_until: Timestamp,
    /// Until then a page that was opened in time can complete.
    pub expires_at: Timestamp,
    /// Whether its page was opened: it belongs to that browser's address then,
    /// and lasts as long as the page.
    #[serde(default)]
    pub opened: bool,
    /// What it is charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<Charge>,
}

/// What a pushed request asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushedContent {
    /// Checked.
    Request(Box<AuthorizationRequest>),
    /// Parameters as they came: by a process of the version before.
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
    fn a_pushed_request_of_the_version_before_is_read() {
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
