//! The parts of a JWT (RFC 7515 §7.1), unverified.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_types::{BadMember, Members};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, IgnoredAny},
};
use serde_json::Value;

/// The header. `jku`, `jwk`, `x5u` and `x5c` are not read: keys come from the
/// signer's own set only (RFC 8725 §3.10). A DPoP proof alone states its own key.
#[derive(Debug, Deserialize)]
pub struct UnverifiedHeader {
    /// The algorithm's name.
    pub alg: String,
    /// The type that it claims.
    pub typ: Option<String>,
    /// The id of the key that it claims, as [`key_id`] reads it.
    #[serde(default, deserialize_with = "stated_key_id")]
    pub kid: Option<String>,
    /// Whether it names extensions that must be understood (RFC 7515 §4.1.11).
    #[serde(default, rename = "crit", deserialize_with = "is_present")]
    pub(crate) is_critical: bool,
}

/// Whatever the value is, `null` included.
fn is_present<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

/// The key id `kid` (RFC 7517 §4.5): a text. Some signers write a whole number, whose digits
/// count as the text, in their keys and in their JWTs alike.
pub(crate) fn key_id(kid: Value) -> Option<String> {
    match kid {
        Value::String(text) => Some(text),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

fn stated_key_id<'de, D: Deserializer<'de>>(kid: D) -> Result<Option<String>, D::Error> {
    let stated = Option::<Value>::deserialize(kid)?;
    let read = |kid| key_id(kid).ok_or_else(|| D::Error::custom("kid is not a string"));
    stated.map(read).transpose()
}

impl UnverifiedHeader {
    /// Whether `typ` is the media type `application/{name}`. Case and the prefix
    /// `application/` do not matter (RFC 7515 §4.1.9).
    pub fn is_of_type(&self, name: &str) -> bool {
        let typ = self.typ.as_deref().unwrap_or_default();
        let bare = match typ.split_at_checked("application/".len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
            _ => typ,
        };
        bare.eq_ignore_ascii_case(name)
    }

    /// Whether `typ` is left out or one of `names`: a JWT that was made for another purpose
    /// says so (RFC 8725 §3.11).
    pub fn may_be_of_type(&self, names: &[&str]) -> bool {
        self.typ.is_none() || names.iter().any(|name| self.is_of_type(name))
    }
}

/// The parts of a JWT in its compact form.
#[derive(Debug)]
pub struct UnverifiedJwt<'a> {
    /// The header.
    pub header: UnverifiedHeader,
    /// The signing input.
    pub(crate) message: &'a str,
    pub(crate) signature: &'a str,
    encoded_header: &'a str,
    payload: &'a str,
}

impl<'a> UnverifiedJwt<'a> {
    /// Splits `token`; `None` if it is not a signed JWT.
    pub fn split(token: &'a str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        if payload.contains('.') {
            return None;
        }
        Some(Self {
            header: json(header)?,
            encoded_header: header,
            message,
            signature,
            payload,
        })
    }

    /// Whether it says that nobody signed it (RFC 7518 §3.6).
    pub(crate) fn is_unsigned(&self) -> bool {
        self.header.alg.eq_ignore_ascii_case("none") && self.signature.is_empty()
    }

    /// The key that the header states (`jwk`). Only for a proof that its sender has the
    /// key (RFC 9449 §4.2): it says nothing about who that is.
    pub(crate) fn embedded_key(&self) -> Option<Value> {
        #[derive(Deserialize)]
        struct Header {
            jwk: Value,
        }
        let header: Header = json(self.encoded_header)?;
        Some(header.jwk)
    }

    /// The claims. They are trustworthy only after the signature was verified
    /// ([`Jwks::signer`](crate::Jwks::signer)).
    pub fn claims<T: DeserializeOwned>(&self) -> Option<T> {
        json(self.payload)
    }

    /// The claims as [`claims`](Self::claims) returns them, to be read one by one: an
    /// error names the claim.
    pub fn members(&self) -> Result<Members, BadMember> {
        self.claims().map_or(Err(BadMember::NoObject), Members::of)
    }
}

fn json<T: DeserializeOwned>(part: &str) -> Option<T> {
    kit::json::object(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(typ: Option<&str>) -> UnverifiedHeader {
        let header = serde_json::json!({ "alg": "ES256", "typ": typ });
        serde_json::from_value(header).unwrap()
    }

    #[test]
    fn rfc7515_4_the_header_is_an_object_and_never_an_array_of_its_members() {
        let split = |header: &str| {
            let token = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header));
            UnverifiedJwt::split(&token).map(|jwt| jwt.header.alg)
        };
        assert_eq!(split(r#"{"alg":"ES256"}"#).as_deref(), Some("ES256"));
        for wrong in [
            r#"["ES256"]"#,
            r#"["ES256","k1","JWT",null]"#,
            "[]",
            "null",
            "5",
        ] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn rfc8725_3_11_a_jwt_for_another_purpose_is_told_by_its_type() {
        let names = ["at+jwt", "JWT"];
        for fits in [
            None,
            Some("jwt"),
            Some("AT+JWT"),
            Some("application/at+jwt"),
        ] {
            assert!(header(fits).may_be_of_type(&names), "{fits:?}");
        }
        for other in ["", "dpop+jwt", "application/", "at+jwt ", "text/at+jwt"] {
            assert!(!header(Some(other)).may_be_of_type(&names), "{other:?}");
        }
        assert!(header(None).may_be_of_type(&[]));
    }
}
