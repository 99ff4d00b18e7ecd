//! Token claims.

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{Scope, names::access_token_type, numeric_date, scope};

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
#[serde(try_from = "Map<String, Value>")]
pub struct Actor {
    /// The actor: at the provider a client_id, or a user's `sub`.
    pub sub: String,
    /// The prior actor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Actor>>,
}

impl TryFrom<Map<String, Value>> for Actor {
    type Error = &'static str;

    fn try_from(mut members: Map<String, Value>) -> Result<Self, Self::Error> {
        let Some(Value::String(sub)) = members.remove("sub") else {
            return Err("act has no sub");
        };
        let act = match members.remove("act") {
            None | Some(Value::Null) => None,
            Some(Value::Object(prior)) => Some(Box::new(Self::try_from(prior)?)),
            Some(_) => return Err("act is not an object"),
        };
        Ok(Self { sub, act })
    }
}

impl Actor {
    /// The number of actors in the chain.
    pub fn count(&self) -> usize {
        std::iter::successors(Some(self), |actor| actor.act.as_deref()).count()
    }
}

/// The `may_act` claim: the one party that may act for the subject (RFC 8693 §4.4).
/// Read from a claim of another shape, it names nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MayAct {
    /// The party: at the provider a client_id, or a user's `sub`.
    pub sub: String,
    /// The issuer that names the party so, if it is another one than the token's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
}

impl<'de> Deserialize<'de> for MayAct {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        let named = match (value.get("sub"), value.get("iss")) {
            (Some(Value::String(sub)), None) => Some((sub, None)),
            (Some(Value::String(sub)), Some(Value::String(iss))) => Some((sub, Some(iss))),
            _ => None,
        };
        Ok(named.map_or_else(Self::default, |(sub, iss)| Self {
            sub: sub.clone(),
            iss: iss.cloned(),
        }))
    }
}

/// The `cnf` claim (RFC 7800 §3.1): the key to which a token is bound. Only who proves
/// possession of the key may use the token. If none of the members is present, the token
/// is bound by a method that nobody here knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Confirmation {
    /// The thumbprint of a public key (RFC 9449 §6.1), base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jkt: Option<String>,
    /// The thumbprint of a certificate (RFC 8705 §3.1), base64url.
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    pub x5t_s256: Option<String>,
}

impl TryFrom<Map<String, Value>> for Confirmation {
    type Error = &'static str;

    fn try_from(mut members: Map<String, Value>) -> Result<Self, Self::Error> {
        let mut text = |name| match members.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err("a member of cnf is not a string"),
        };
        Ok(Self {
            jkt: text("jkt")?,
            x5t_s256: text("x5t#S256")?,
        })
    }
}

impl Confirmation {
    /// The binding to the public key with the thumbprint `jkt`.
    pub fn of_key(jkt: String) -> Self {
        Self {
            jkt: Some(jkt),
            x5t_s256: None,
        }
    }

    /// The binding to the certificate with the thumbprint `x5t_s256`.
    pub fn of_certificate(x5t_s256: String) -> Self {
        Self {
            jkt: None,
            x5t_s256: Some(x5t_s256),
        }
    }

    /// `token_type` of a token with this claim (RFC 6749 §7.1): `DPoP` if a proof of its
    /// key comes with each use (RFC 9449 §5), else `Bearer` (RFC 8705 §3).
    pub fn token_type(own: Option<&Self>) -> &'static str {
        match own {
            Some(Self { jkt: Some(_), .. }) => access_token_type::DPOP,
            _ => access_token_type::BEARER,
        }
    }
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
        deserialize_with = "scope::claim",
        skip_serializing_if = "Scope::is_empty"
    )]
    pub scope: Scope,
    /// When the user signed in.
    #[serde(
        default,
        deserialize_with = "numeric_date::lenient",
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
    /// The party that may exchange the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_act: Option<MayAct>,
    /// The key to which the token is bound; none: it is a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
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

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
