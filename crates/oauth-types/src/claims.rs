//! What the tokens claim.

use serde::{Deserialize, Serialize};

use crate::Scope;

/// `aud`: one string or several (RFC 7519 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Audience {
    /// Whether `audience` is meant.
    pub fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

/// Who acts for the subject, and for whom that one acted before (RFC 8693 §4.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The actor: a client_id of ours.
    pub sub: String,
    /// The one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Actor>>,
}

/// An access token's claims (RFC 9068 §2.2). Times are seconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// The issuer.
    pub iss: String,
    /// The resource server.
    pub aud: Audience,
    /// The user, or the client where no user is there.
    pub sub: String,
    /// The client that got the token.
    pub client_id: String,
    /// Issued at.
    pub iat: i64,
    /// Ends at.
    pub exp: i64,
    /// Its name; no two have the same.
    pub jti: String,
    /// What it may do.
    #[serde(default, skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
    /// When the user signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// How well the user was authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// The provider's session that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The user's roles (RFC 9068 §2.2.3.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The user's address, with scope `email`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Who acts for the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7519_4_1_3_aud_is_a_string_or_a_list() {
        let one: Audience = serde_json::from_str("\"https://api-1\"").unwrap();
        let many: Audience = serde_json::from_str("[\"https://api-1\",\"x\"]").unwrap();
        assert!(one.contains("https://api-1") && many.contains("https://api-1"));
        assert!(!one.contains("x") && !many.contains("https://api-2"));
    }
}
