//! Reads the provider's answers.

use kit::clock::Timestamp;
use oauth_types::{BadMember, Members, claims::Audience, names::jwt_type};
use serde_json::Value;

use super::cache::Answer;
use crate::{
    jwks::Jwks,
    jwt::UnverifiedJwt,
    refusal::Invalid,
    verified::{ALGORITHMS, SKEW, Verified},
};

/// How old a signed answer may be: it belongs to a question of this moment.
const MAX_AGE: i64 = 60;

/// Why an answer says nothing about the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    /// RFC 7662 §2.2.
    #[error("it is not a JSON object with active = true or false")]
    NoAnswer,
    /// RFC 9701 §5.
    #[error("it is not a JWT of the type token-introspection+jwt")]
    NoJwt,
    /// RFC 9701 §5: no key of the provider signed it.
    #[error("it is not signed by the provider")]
    Signature,
    /// RFC 9701 §5: `iss`, `aud`, `iat` and `token_introspection` are required.
    #[error(transparent)]
    Claim(#[from] BadMember),
    /// The provider made it for another resource server, or another issuer made it.
    #[error("its iss or aud is another one")]
    NotForUs,
    /// It was made at another time.
    #[error("its iat is not the present time")]
    NotOfNow,
}

/// What an answer must name.
pub(super) struct Expected<'e> {
    /// The provider.
    pub(super) issuer: &'e str,
    /// The resource server: the audience of its tokens.
    pub(super) audience: &'e std::sync::Arc<str>,
    /// Its client_id, the audience of signed answers.
    pub(super) client_id: &'e str,
}

/// RFC 7662 §2.2.
pub(super) fn json(body: &[u8], expected: &Expected<'_>) -> Result<Answer, Unusable> {
    let value = serde_json::from_slice(body).map_err(|_| Unusable::NoAnswer)?;
    of_value(value, expected)
}

/// RFC 9701 §5, §8.1: the type, the signature, and whom it is for.
pub(super) async fn jwt(
    body: &[u8],
    expected: &Expected<'_>,
    jwks: &Jwks,
    now: Timestamp,
) -> Result<Answer, Unusable> {
    let text = std::str::from_utf8(body).map_err(|_| Unusable::NoJwt)?;
    let jwt = UnverifiedJwt::split(text.trim()).ok_or(Unusable::NoJwt)?;
    if !jwt.header.is_of_type(jwt_type::TOKEN_INTROSPECTION) {
        return Err(Unusable::NoJwt);
    }
    let signer = jwks.signer(&jwt, &ALGORITHMS).await;
    signer.map_err(|_| Unusable::Signature)?;
    let claims = jwt.members()?;
    let is_for_us = Audience::read(&claims)?.contains(expected.client_id);
    if claims.needed("iss")? != expected.issuer || !is_for_us {
        return Err(Unusable::NotForUs);
    }
    let iat = claims.needed_seconds("iat")?;
    if iat > (now + SKEW).secs() || iat < now.secs() - MAX_AGE {
        return Err(Unusable::NotOfNow);
    }
    let inner = claims.value("token_introspection");
    let missing = BadMember::Missing("token_introspection");
    of_value(inner.ok_or(missing)?.clone(), expected)
}

fn of_value(value: Value, expected: &Expected<'_>) -> Result<Answer, Unusable> {
    let members = Members::of(value).map_err(|_| Unusable::NoAnswer)?;
    match members.value("active") {
        Some(Value::Bool(true)) => Ok(active(&members, expected).map(Into::into)),
        Some(Value::Bool(false)) => Ok(Err(Invalid::Inactive)),
        _ => Err(Unusable::NoAnswer),
    }
}

/// RFC 7662 §4: an active token may be for another resource server. A refresh token of
/// this client is active too, and has not the claims of an access token.
fn active(members: &Members, expected: &Expected<'_>) -> Result<Verified, Invalid> {
    let verified = Verified::read(members, None)?;
    if verified.claims().iss != expected.issuer {
        return Err(Invalid::Issuer);
    }
    if !verified.claims().aud.contains(expected.audience) {
        return Err(Invalid::Audience(expected.audience.clone()));
    }
    Ok(verified)
}

#[cfg(test)]
mod unit {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Answer, Unusable> {
        let expected = Expected {
            issuer: "https://idp",
            audience: &"https://api-2".into(),
            client_id: "api-2",
        };
        json(text.as_bytes(), &expected)
    }

    fn with(change: impl FnOnce(&mut Value)) -> Result<Answer, Unusable> {
        let mut answer = json!({
            "active": true, "iss": "https://idp", "aud": "https://api-2", "sub": "u-1",
            "client_id": "app1", "iat": 1, "exp": 2, "jti": "t", "scope": "a b",
            "token_type": "Bearer", "username": "alice",
        });
        change(&mut answer);
        read(&answer.to_string())
    }

    #[test]
    fn rfc7662_2_2_an_active_token_has_the_claims_of_an_access_token() {
        let verified = with(|_| ()).unwrap().unwrap();
        assert_eq!(verified.claims().sub, "u-1");
        assert!(verified.claims().scope.contains("b"));
    }

    #[test]
    fn rfc7662_2_2_only_the_boolean_true_is_active() {
        let inactive = read(r#"{"active":false,"sub":"u-1"}"#).unwrap();
        assert_eq!(inactive.unwrap_err(), Invalid::Inactive);
        for odd in ["", "[]", "{}", "null", r#"{"active":null}"#, "\u{0}"] {
            assert_eq!(read(odd).unwrap_err(), Unusable::NoAnswer, "{odd}");
        }
        for odd in [json!("true"), json!(1), json!(["true"])] {
            let answer = with(|answer| answer["active"] = odd);
            assert_eq!(answer.unwrap_err(), Unusable::NoAnswer);
        }
    }

    #[test]
    fn rfc7662_4_an_active_token_for_somebody_else_is_refused() {
        let refused = |change: fn(&mut Value)| with(change).unwrap().unwrap_err();
        let other = refused(|answer| answer["aud"] = json!(["https://api-1"]));
        assert_eq!(other, Invalid::Audience("https://api-2".into()));
        let other = refused(|answer| answer["iss"] = json!("https://evil"));
        assert_eq!(other, Invalid::Issuer);
        let refresh = refused(|answer| {
            answer.as_object_mut().unwrap().remove("aud");
        });
        assert_eq!(refresh, Invalid::Claim(BadMember::Missing("aud")));
        let odd = refused(|answer| answer["exp"] = json!("x"));
        let named = "the token cannot be used: its member exp is not a number of seconds";
        assert_eq!(odd.to_string(), named);
    }

    #[test]
    fn fuzz_answers_of_introspection() {
        let active = r#"{"active":true,"iss":"https://idp","aud":["https://api-2"],"sub":"u","client_id":"c","iat":1,"exp":2,"jti":"t","cnf":{"jkt":"k"}}"#;
        let other = r#"{"active":true,"iss":"https://idp","aud":"https://api-1","sub":"u","client_id":"c","iat":1,"exp":"2","jti":"t","nbf":1.5}"#;
        fuzz::run_text(&[active, r#"{"active":false}"#, other], |text| {
            if let Ok(Ok(verified)) = read(text) {
                let claims = verified.claims();
                assert_eq!(claims.iss, "https://idp");
                assert!(claims.aud.contains("https://api-2"));
                assert!(text.contains("true"));
            }
        });
    }
}
