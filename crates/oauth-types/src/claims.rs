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
mod tests {
    use proptest::prelude::*;
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
            "updated_at": "2026-11-28T12:00:00Z", "email_verified": "true",
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
    fn rfc7800_3_1_a_binding_is_read_or_the_token_is_refused() {
        let of = |value: Value| read(&json!({ "cnf": value })).map(|token| token.cnf);
        let binding = |jkt: Option<&str>, x5t: Option<&str>| {
            Some(Some(Confirmation {
                jkt: jkt.map(str::to_owned),
                x5t_s256: x5t.map(str::to_owned),
            }))
        };
        assert_eq!(of(json!(null)), Some(None));
        assert_eq!(of(json!({"jkt": "k"})), binding(Some("k"), None));
        let both = json!({"x5t#S256": "c", "jkt": "k", "kid": 5});
        assert_eq!(of(both), binding(Some("k"), Some("c")));
        // Bound, by a method that is not known: never a bearer token.
        assert_eq!(of(json!({"jwk": {}})), binding(None, None));
        for odd in [
            json!("x"),
            json!(["x"]),
            json!({"jkt": 5}),
            json!({"x5t#S256": ["c"]}),
        ] {
            assert_eq!(of(odd.clone()), None, "{odd}");
        }
    }

    #[test]
    fn rfc9449_5_the_token_type_follows_the_binding() {
        let key = Confirmation::of_key("k".to_owned());
        let certificate = Confirmation {
            x5t_s256: Some("c".to_owned()),
            ..Confirmation::default()
        };
        assert_eq!(Confirmation::token_type(Some(&key)), "DPoP");
        assert_eq!(Confirmation::token_type(Some(&certificate)), "Bearer");
        assert_eq!(Confirmation::token_type(None), "Bearer");
        assert_eq!(
            serde_json::to_value(&certificate).unwrap(),
            json!({"x5t#S256": "c"})
        );
    }

    #[test]
    fn rfc8693_4_4_a_may_act_of_another_shape_names_nobody() {
        let of = |value: Value| read(&json!({ "may_act": value })).unwrap().may_act;
        let named = |sub: &str, iss: Option<&str>| {
            Some(MayAct {
                sub: sub.to_owned(),
                iss: iss.map(str::to_owned),
            })
        };
        assert_eq!(of(json!(null)), None);
        let whole = json!({"sub": "api-1", "iss": "i", "email": "x"});
        assert_eq!(of(whole), named("api-1", Some("i")));
        for odd in [
            json!("api-1"),
            json!({"email": "x"}),
            json!({"sub": ["api-1"]}),
            json!({"sub": "api-1", "iss": 5}),
            json!([]),
        ] {
            assert_eq!(of(odd.clone()), named("", None), "{odd}");
        }
    }

    #[test]
    fn rfc8693_4_1_a_chain_of_actors_is_counted() {
        let act = json!({"sub": "c", "act": {"sub": "b", "act": {"sub": "a"}}});
        let act = read(&json!({ "act": act })).unwrap().act.unwrap();
        assert_eq!((act.count(), act.sub.as_str()), (3, "c"));
    }

    #[test]
    fn rfc7519_4_1_3_aud_is_a_string_or_a_list() {
        let one: Audience = serde_json::from_str("\"https://api-1\"").unwrap();
        let many: Audience = serde_json::from_str("[\"https://api-1\",\"x\"]").unwrap();
        assert!(one.contains("https://api-1") && many.contains("https://api-1"));
        assert!(!one.contains("x") && !many.contains("https://api-2"));
    }

    /// Any JSON whose members have the names that claims have.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 48, 6, |inner| {
            let name = prop_oneof![Just("sub"), Just("iss"), Just("act"), Just("x")];
            let name = name.prop_map(str::to_owned);
            let members = prop::collection::hash_map(name, inner.clone(), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::from),
                members.prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn whatever_may_act_is_it_names_the_party_that_it_states_or_nobody(value in any_json()) {
            let token = read(&json!({ "may_act": value.clone() })).unwrap();
            match token.may_act {
                None => prop_assert!(value.is_null()),
                Some(named) if named.sub.is_empty() => {}
                Some(named) => {
                    prop_assert_eq!(&value["sub"], &json!(named.sub));
                }
            }
        }

        #[test]
        fn whatever_act_is_its_chain_is_what_it_nests(value in any_json()) {
            if let Some(token) = read(&json!({ "act": value.clone() })) {
                let nested = std::iter::successors(Some(&value), |value| value.get("act"));
                let nested = nested.take_while(|value| value.is_object()).count();
                prop_assert_eq!(token.act.map_or(0, |act| act.count()), nested);
            }
        }

        #[test]
        fn a_scope_that_is_read_keeps_the_limits(value in any_json()) {
            if let Some(token) = read(&json!({ "scope": value })) {
                prop_assert!(token.scope.iter().count() <= scope::MAX_SCOPES);
                prop_assert!(token.scope.iter().all(str::is_ascii));
            }
        }
    }
}
