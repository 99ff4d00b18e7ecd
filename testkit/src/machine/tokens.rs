//! Tokens as an attacker handles them: read without verification, tampered, signed
//! with a wrong key. Also a client's PKCE.

use aws_lc_rs::{digest, hmac};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kit::random::{OsRandom, Random};
use serde_json::{Value, json};

/// The content of a JWT whose signature was not verified.
#[derive(Clone, Debug)]
pub struct UnverifiedClaims {
    /// The JOSE header.
    pub header: Value,
    /// The claims.
    pub claims: Value,
}

impl UnverifiedClaims {
    /// Reads `jwt`.
    pub fn of(jwt: &str) -> Self {
        let mut parts = jwt.split('.').map(|part| {
            let bytes = URL_SAFE_NO_PAD
                .decode(part)
                .unwrap_or_else(|e| panic!("no JWT ({e}): {jwt}"));
            serde_json::from_slice(&bytes).unwrap_or_default()
        });
        Self {
            header: parts.next().unwrap_or_default(),
            claims: parts.next().unwrap_or_default(),
        }
    }

    /// A string claim; empty if it is absent.
    pub fn text(&self, name: &str) -> &str {
        self.claims[name].as_str().unwrap_or_default()
    }

    /// A numeric claim.
    pub fn number(&self, name: &str) -> i64 {
        self.claims[name]
            .as_i64()
            .unwrap_or_else(|| panic!("no number {name:?} in {}", self.claims))
    }

    /// The scopes, in order.
    pub fn scopes(&self) -> Vec<&str> {
        let mut scopes: Vec<_> = self
            .text("scope")
            .split(' ')
            .filter(|scope| !scope.is_empty())
            .collect();
        scopes.sort_unstable();
        scopes
    }
}

/// Forged variants of a JWT. No service may accept any of them.
pub mod tampered {
    use super::{URL_SAFE_NO_PAD, UnverifiedClaims, Value, encoded, hmac, json};
    use base64::Engine as _;

    /// Flips one bit of the signature.
    pub fn signature(jwt: &str) -> String {
        let (signed, signature) = jwt.rsplit_once('.').unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        bytes[0] ^= 1;
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Changes the claims by `change` and keeps the signature.
    pub fn claims(jwt: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = UnverifiedClaims::of(jwt).claims;
        change(&mut claims);
        let parts: Vec<_> = jwt.split('.').collect();
        format!("{}.{}.{}", parts[0], encoded(&claims), parts[2])
    }

    /// `alg: none`, no signature (RFC 8725 §3.1).
    pub fn unsigned(jwt: &str) -> String {
        let mut read = UnverifiedClaims::of(jwt);
        read.header["alg"] = json!("none");
        format!("{}.{}.", encoded(&read.header), encoded(&read.claims))
    }

    /// HS256 with `key`, usually the public key (RFC 8725 §2.1).
    pub fn hs256(jwt: &str, key: &[u8]) -> String {
        let mut read = UnverifiedClaims::of(jwt);
        read.header["alg"] = json!("HS256");
        let signed = format!("{}.{}", encoded(&read.header), encoded(&read.claims));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }
}

fn encoded(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

/// A verifier and its challenge (RFC 7636 §4).
#[derive(Clone, Debug)]
pub struct Pkce {
    /// The verifier, which the client keeps until it redeems the code.
    pub verifier: String,
    /// The S256 challenge, which the authorization request carries.
    pub challenge: String,
}

impl Pkce {
    /// A new pair.
    pub fn new() -> Self {
        let random: &dyn Random = &OsRandom;
        Self::of(random.token())
    }

    /// The pair of `verifier`.
    pub fn of(verifier: String) -> Self {
        let digest = digest::digest(&digest::SHA256, verifier.as_bytes());
        Self {
            challenge: URL_SAFE_NO_PAD.encode(digest),
            verifier,
        }
    }
}

impl Default for Pkce {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7636_appendix_b_the_example() {
        let pair = Pkce::of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        assert_eq!(
            pair.challenge,
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn bent_tokens_keep_what_they_do_not_bend() {
        let jwt = format!(
            "{}.{}.AAAA",
            encoded(&json!({"alg": "ES256", "kid": "k"})),
            encoded(&json!({"sub": "a"}))
        );
        assert_eq!(
            tampered::signature(&jwt).rsplit_once('.').unwrap().1,
            "AQAA"
        );
        let unsigned = UnverifiedClaims::of(&tampered::unsigned(&jwt));
        assert_eq!(
            (&unsigned.header["alg"], unsigned.text("sub")),
            (&json!("none"), "a")
        );
        let changed =
            UnverifiedClaims::of(&tampered::claims(&jwt, |claims| claims["sub"] = json!("b")));
        assert_eq!(
            (&changed.header["kid"], changed.text("sub")),
            (&json!("k"), "b")
        );
        assert_eq!(
            UnverifiedClaims::of(&tampered::hs256(&jwt, b"public")).header["alg"],
            "HS256"
        );
    }
}
