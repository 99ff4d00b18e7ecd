//! Which audience an access token is for. To its client an access token is
//! opaque (RFC 6749 §1.4), so this is a look at an unverified claim, good only
//! for putting the token in the right place: the API does the checking.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_types::claims::Audience;
use serde::Deserialize;

#[derive(Deserialize)]
struct UnverifiedClaims {
    aud: Audience,
}

/// The audience that a JWT names; `None` for an opaque token.
pub(crate) fn audience_of(access_token: &str) -> Option<Audience> {
    let mut parts = access_token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: UnverifiedClaims = serde_json::from_slice(&payload).ok()?;
    parts.next().is_none().then_some(claims.aud)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jwt_says_its_audience_and_an_opaque_token_nothing() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"aud":"https://api-1"}"#);
        let jwt = format!("x.{payload}.y");
        assert!(audience_of(&jwt).unwrap().contains("https://api-1"));
        for opaque in ["", "opaque", "a.b", "a.b.c", &format!("{jwt}.z")] {
            assert!(audience_of(opaque).is_none(), "{opaque}");
        }
    }
}
