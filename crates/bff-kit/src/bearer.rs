//! An access token as calls send it.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use oauth_types::claims::Audience;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const BEARER: &str = "Bearer ";
const DPOP: &str = "DPoP ";

/// An access token as the value of an `Authorization` header (RFC 6750 §2.1); one that is
/// bound to the app's key has the scheme `DPoP` (RFC 9449 §7.1). It is made once, when the
/// token is received; a clone only counts a reference.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Bearer(HeaderValue);

#[derive(Deserialize)]
struct UnverifiedClaims {
    aud: Audience,
}

impl Bearer {
    /// A bearer token; `None` for one that does not fit a header.
    pub(crate) fn new(token: &str) -> Option<Self> {
        Self::with_scheme(BEARER, token)
    }

    /// The same for a token that is bound to the app's key, if it `is_bound`.
    pub(crate) fn bound_if(is_bound: bool, token: &str) -> Option<Self> {
        Self::with_scheme(if is_bound { DPOP } else { BEARER }, token)
    }

    fn with_scheme(scheme: &str, token: &str) -> Option<Self> {
        let mut value = HeaderValue::try_from([scheme, token].concat()).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    /// Whether it is bound to the app's key.
    pub(crate) fn is_bound(&self) -> bool {
        self.0.as_bytes().starts_with(DPOP.as_bytes())
    }

    /// With its scheme, for a call.
    pub(crate) const fn header(&self) -> &HeaderValue {
        &self.0
    }

    /// Whether it is this token; in constant time.
    pub(crate) fn is(&self, token: &str) -> bool {
        verify_slices_are_equal(self.bytes(), token.as_bytes()).is_ok()
    }

    /// The token alone.
    pub(crate) fn token(&self) -> &str {
        // It was text when it was made.
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }

    fn bytes(&self) -> &[u8] {
        let scheme = if self.is_bound() { DPOP } else { BEARER };
        self.0.as_bytes().get(scheme.len()..).unwrap_or_default()
    }

    /// The audience that a JWT names; `None` for an opaque token. To its client an
    /// access token is opaque (RFC 6749 §1.4): this claim is not verified, and
    /// serves only to put the token in its place. The API does the checking.
    pub(crate) fn unverified_audience(&self) -> Option<Audience> {
        let mut parts = self.token().split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let claims: UnverifiedClaims = serde_json::from_slice(&payload).ok()?;
        parts.next().is_none().then_some(claims.aud)
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer([redacted])")
    }
}

impl Serialize for Bearer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_bound() {
            return serializer.collect_str(&format_args!("{DPOP}{}", self.token()));
        }
        serializer.serialize_str(self.token())
    }
}

impl<'de> Deserialize<'de> for Bearer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let token = String::deserialize(deserializer)?;
        // A token has no space.
        let read = match token.strip_prefix(DPOP) {
            Some(bound) => Self::bound_if(true, bound),
            None => Self::new(&token),
        };
        read.ok_or_else(|| D::Error::custom("an access token that fits no header"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_is_written_as_the_token_alone_and_shown_to_nobody() {
        let bearer = Bearer::new("a.b.c").unwrap();
        assert_eq!(serde_json::to_string(&bearer).unwrap(), "\"a.b.c\"");
        assert_eq!(serde_json::from_str::<Bearer>("\"a.b.c\"").unwrap(), bearer);
        assert_eq!(bearer.header().to_str().unwrap(), "Bearer a.b.c");
        assert!(bearer.header().is_sensitive());
        assert!(bearer.is("a.b.c") && !bearer.is("a.b.d") && !bearer.is("a.b"));
        assert!(!format!("{bearer:?}").contains("a.b.c"));
        assert!(Bearer::new("a\nb").is_none());
    }

    #[test]
    fn rfc9449_7_1_a_bound_token_keeps_its_scheme() {
        let bound = Bearer::bound_if(true, "a.b.c").unwrap();
        assert!(bound.is_bound() && bound.is("a.b.c"));
        assert_eq!(bound.token(), "a.b.c");
        let written = serde_json::to_string(&bound).unwrap();
        assert_eq!(written, "\"DPoP a.b.c\"");
        assert_eq!(serde_json::from_str::<Bearer>(&written).unwrap(), bound);
        assert_ne!(Bearer::bound_if(false, "a.b.c").unwrap(), bound);
    }

    #[test]
    fn a_jwt_says_its_audience_and_an_opaque_token_nothing() {
        let audience = |token: &str| Bearer::new(token).unwrap().unverified_audience();
        let payload = URL_SAFE_NO_PAD.encode(r#"{"aud":"https://api-1"}"#);
        let jwt = format!("x.{payload}.y");
        assert!(audience(&jwt).unwrap().contains("https://api-1"));
        for opaque in ["", "opaque", "a.b", "a.b.c", &format!("{jwt}.z")] {
            assert!(audience(opaque).is_none(), "{opaque}");
        }
    }
}
