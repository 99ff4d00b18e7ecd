//! Token claims.

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _},
};
use serde_json::Value;

use crate::{Scope, numeric_date};

/// `aud`: one string or several (RFC 7519 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// A single audience.
    One(String),
    /// A list of audiences.
    Many(Vec<String>),
}

impl Audience {
    /// Whether it names `audience`.
    pub fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

/// The `act` claim: the actor for the subject, with any prior actor (RFC 8693 §4.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The actor: a client_id at the provider.
    pub sub: String,
    /// The prior actor.
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
    /// The user; the client if there is no user.
    pub sub: String,
    /// The client that got the token.
    pub client_id: String,
    /// Issued at.
    #[serde(deserialize_with = "numeric_date::required")]
    pub iat: i64,
    /// Expires at.
    #[serde(deserialize_with = "numeric_date::required")]
    pub exp: i64,
    /// A unique id.
    pub jti: String,
    /// The token's scope.
    #[serde(
        default,
        deserialize_with = "scope",
        skip_serializing_if = "Scope::is_empty"
    )]
    pub scope: Scope,
    /// When the user signed in.
    #[serde(
        default,
        deserialize_with = "numeric_date::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub auth_time: Option<i64>,
    /// The authentication strength.
    #[serde(
        default,
        deserialize_with = "perhaps",
        skip_serializing_if = "Option::is_none"
    )]
    pub acr: Option<String>,
    /// The provider's login session.
    #[serde(
        default,
        deserialize_with = "perhaps",
        skip_serializing_if = "Option::is_none"
    )]
    pub sid: Option<String>,
    /// The user's roles (RFC 9068 §2.2.3.1).
    #[serde(
        default,
        deserialize_with = "words",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub roles: Vec<String>,
    /// The user's email address, with scope `email`.
    #[serde(
        default,
        deserialize_with = "perhaps",
        skip_serializing_if = "Option::is_none"
    )]
    pub email: Option<String>,
    /// The actor for the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
}

/// Reads an optional claim; a value of another type counts as absent.
fn perhaps<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(serde_json::from_value(value).ok())
}

/// Reads a list of strings or a single string; any other value counts as empty.
fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let words: Option<Audience> = perhaps(from)?;
    Ok(match words {
        Some(Audience::One(word)) => vec![word],
        Some(Audience::Many(words)) => words,
        None => Vec::new(),
    })
}

/// Reads a scope as one string (RFC 9068 §2.2.3) or as a list. The scope grants
/// rights, so any other value is an error.
fn scope<'de, D: Deserializer<'de>>(from: D) -> Result<Scope, D::Error> {
    let text = match Value::deserialize(from)? {
        Value::Null => return Ok(Scope::empty()),
        Value::String(text) => Some(text),
        Value::Array(all) => {
            let words: Option<Vec<_>> = all.iter().map(Value::as_str).collect();
            words.map(|words| words.join(" "))
        }
        _ => None,
    };
    let scope = text.and_then(|text| text.parse().ok());
    scope.ok_or_else(|| D::Error::custom("scope is not a valid scope"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(changes: &Value) -> Option<AccessToken> {
        let mut claims = json!({
            "iss": "i", "aud": "a", "sub": "s", "client_id": "c", "iat": 1, "exp": 2,
            "jti": "j", "scope": "x y",
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        serde_json::from_value(claims).ok()
    }

    #[test]
    fn rfc9068_2_2_claims_in_another_shape_count_as_left_out_where_a_token_can_do_without() {
        let odd = json!({
            "acr": 1, "sid": ["s"], "email": {}, "roles": 5, "amr": "pwd", "groups": {},
            "updated_at": "2026-11-28T12:00:00Z", "email_verified": "true", "cnf": "x",
            "azp": 7, "scp": [1], "permissions": {"a": []},
        });
        let read_odd = read(&odd).unwrap();
        assert_eq!(
            (read_odd.acr, read_odd.sid, read_odd.email),
            (None, None, None)
        );
        assert!(read_odd.roles.is_empty());
        let one = read(&json!({"roles": "clerk", "acr": "1", "sid": "s"})).unwrap();
        assert_eq!(one.roles, ["clerk"]);
        assert_eq!(
            (one.acr.as_deref(), one.sid.as_deref()),
            (Some("1"), Some("s"))
        );
    }

    #[test]
    fn rights_and_who_acts_have_to_be_certain() {
        let scope = |value| read(&json!({ "scope": value })).map(|token| token.scope.to_string());
        assert_eq!(scope(json!(["x", "y"])).as_deref(), Some("x y"));
        assert_eq!(scope(json!(null)).as_deref(), Some(""));
        for odd in [json!(5), json!({"x": true}), json!(["x", 5]), json!("\"")] {
            assert_eq!(scope(odd.clone()), None, "{odd}");
        }
        assert!(read(&json!({"act": {"sub": "api-1", "iss": 5, "more": []}})).is_some());
        for odd in [json!("api-1"), json!({"sub": 5}), json!([])] {
            assert!(read(&json!({ "act": odd })).is_none(), "{odd}");
        }
    }

    #[test]
    fn rfc7519_4_1_3_aud_is_a_string_or_a_list() {
        let one: Audience = serde_json::from_str("\"https://api-1\"").unwrap();
        let many: Audience = serde_json::from_str("[\"https://api-1\",\"x\"]").unwrap();
        assert!(one.contains("https://api-1") && many.contains("https://api-1"));
        assert!(!one.contains("x") && !many.contains("https://api-2"));
    }
}
