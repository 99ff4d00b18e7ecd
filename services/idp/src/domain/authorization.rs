//! From the authorization request to the code.

use kit::clock::Timestamp;
use oauth_types::Scope;
use serde::{Deserialize, Serialize};

use super::LoginSession;
use crate::records::Record;

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
    pub state: Option<String>,
    /// For the id_token.
    pub nonce: Option<String>,
    /// PKCE, S256.
    pub code_challenge: Option<String>,
    /// `prompt`.
    pub prompt: Vec<String>,
    /// `max_age`, seconds.
    pub max_age: Option<u64>,
    /// For the form.
    pub login_hint: Option<String>,
    /// The user that `id_token_hint` names.
    pub expected_sub: Option<String>,
    /// The pushed request that this came from.
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
    pub signed_in: Option<SignedIn>,
    /// Its end.
    pub expires_at: Timestamp,
}

/// The link from an authorization session to its login session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    /// The login session.
    pub sid: String,
    /// The user.
    pub sub: String,
}

impl SignedIn {
    /// The link to `login`.
    pub fn to(login: &LoginSession) -> Self {
        Self {
            sid: login.sid.clone(),
            sub: login.sub.clone(),
        }
    }
}

impl Record for AuthorizationSession {
    const KIND: &'static str = "authorization";

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// A pushed request (RFC 9126): parameters as they came, used up when the
/// authorization completes and not when its page is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PushedRequest {
    /// The client that pushed it.
    pub client_id: String,
    /// The parameters.
    pub params: Vec<(String, String)>,
    /// Until then its page may be opened.
    pub usable_until: Timestamp,
    /// Until then a page that was opened in time can complete.
    pub expires_at: Timestamp,
}

impl Record for PushedRequest {
    const KIND: &'static str = "pushed";

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}
