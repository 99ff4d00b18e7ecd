//! Token claims.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{BadMember, Members, Scope, names::access_token_type};

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
    /// The claim `aud` of `members`, which is required.
    pub fn read(members: &Members) -> Result<Self, BadMember> {
        let value = members.value("aud").ok_or(BadMember::Missing("aud"))?;
        let all = members.texts("aud")?;
        Ok(match value {
            Value::String(one) => Self::One(one.clone()),
            _ => Self::Many(all.into_iter().map(str::to_owned).collect()),
        })
    }

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

impl MayAct {
    fn of(value: &Value) -> Self {
        let named = match (value.get("sub"), value.get("iss")) {
            (Some(Value::String(sub)), None) => Some((sub, None)),
            (Some(Value::String(sub)), Some(Value::String(iss))) => Some((sub, Some(iss))),
            _ => None,
        };
        named.map_or_else(Self::default, |(sub, iss)| Self {
            sub: sub.clone(),
            iss: iss.cloned(),
        })
    }

    /// The claim of `members`, if it is present.
    pub fn read(members: &Members) -> Option<Self> {
        members.value("may_act").map(Self::of)
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

    /// What a token with this claim is bound to, for telemetry: the names of the members,
    /// never their values.
    pub const fn bound_to(own: Option<&Self>) -> &'static str {
        let Some(Self { jkt, x5t_s256 }) = own else {
            return "none";
        };
        match (x5t_s256, jkt) {
            (Some(_), Some(_)) => "x5t#S256 jkt",
            (Some(_), None) => "x5t#S256",
            (None, Some(_)) => "jkt",
            (None, None) => "unknown",
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
#[serde(try_from = "Map<String, Value>")]
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
    pub iat: i64,
    /// Expires at.
    pub exp: i64,
    /// A unique id.
    pub jti: String,
    /// The token's scope.
    #[serde(skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
    /// When the user signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// The authentication strength.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// The provider's login session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The user's roles (RFC 9068 §2.2.3.1).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The user's email address, with scope `email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The actor for the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    /// The party that may exchange the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may_act: Option<MayAct>,
    /// The key to which the token is bound; none: it is a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
}

impl AccessToken {
    /// Reads `members`. The required claims, the rights, the actor and the key have to be
    /// readable. Another claim of an unknown shape counts as absent.
    pub fn read(members: &Members) -> Result<Self, BadMember> {
        let perhaps = |name| members.text(name).ok().flatten().map(str::to_owned);
        let roles = members.texts("roles").unwrap_or_default();
        Ok(Self {
            iss: members.needed("iss")?.to_owned(),
            aud: Audience::read(members)?,
            sub: members.needed("sub")?.to_owned(),
            client_id: members.needed("client_id")?.to_owned(),
            iat: members.needed_seconds("iat")?,
            exp: members.needed_seconds("exp")?,
            jti: members.needed("jti")?.to_owned(),
            scope: members.scope("scope")?.unwrap_or_default(),
            auth_time: members.seconds("auth_time").ok().flatten(),
            acr: perhaps("acr"),
            sid: perhaps("sid"),
            roles: roles.into_iter().map(str::to_owned).collect(),
            email: perhaps("email"),
            act: object(members, "act", "an object with a sub")?,
            may_act: MayAct::read(members),
            cnf: object(members, "cnf", "an object with a thumbprint")?,
        })
    }
}

impl TryFrom<Map<String, Value>> for AccessToken {
    type Error = BadMember;

    fn try_from(members: Map<String, Value>) -> Result<Self, BadMember> {
        Self::read(&Members::from(members))
    }
}

/// The object `name`.
fn object<T: TryFrom<Map<String, Value>>>(
    members: &Members,
    name: &'static str,
    expected: &'static str,
) -> Result<Option<T>, BadMember> {
    members.as_kind(name, expected, |value| {
        T::try_from(value.as_object()?.clone()).ok()
    })
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
