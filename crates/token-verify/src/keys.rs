//! The issuer's public keys. A key's kind says its one algorithm, so that a
//! token cannot choose another for it (RFC 8725 §3.1).

use std::{collections::HashMap, sync::Arc};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;

/// The most keys that are kept of one set.
const MAX_KEYS: usize = 32;
/// The longest key id that is looked at, in bytes.
pub(crate) const MAX_KID: usize = 200;

/// A public key for signatures, parsed once.
pub(crate) struct Key {
    pub(crate) algorithm: Algorithm,
    verifying: DecodingKey,
}

impl Key {
    /// Whether `signature` (base64url) over `message` is this key's.
    pub(crate) fn verifies(&self, message: &str, signature: &str) -> bool {
        jsonwebtoken::crypto::verify(
            signature,
            message.as_bytes(),
            &self.verifying,
            self.algorithm,
        )
        .unwrap_or(false)
    }

    /// `None` for a key that is not for verifying signatures, or of a kind
    /// that is not allowed: symmetric ones above all.
    fn of(jwk: &Jwk) -> Option<Self> {
        let common = &jwk.common;
        // RFC 7517 §4.2, §4.3
        let for_signatures = common
            .public_key_use
            .as_ref()
            .is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
            && common
                .key_operations
                .as_ref()
                .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        if !for_signatures {
            return None;
        }
        let (algorithm, named) = match &jwk.algorithm {
            AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, KeyAlgorithm::ES256)
            }
            AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
            AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => {
                (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
            }
            _ => return None,
        };
        if common.key_algorithm.is_some_and(|alg| alg != named) {
            return None;
        }
        let verifying = DecodingKey::from_jwk(jwk).ok()?;
        Some(Self {
            algorithm,
            verifying,
        })
    }
}

/// The keys of one fetch, by their id.
pub(crate) type KeySet = HashMap<String, Arc<Key>>;

/// Reads a JWK set (RFC 7517 §5), leaving out what cannot be used here: one
/// strange key must not take the others with it.
pub(crate) fn parse(document: &[u8]) -> Result<KeySet, serde_json::Error> {
    #[derive(Deserialize)]
    struct Document {
        keys: Vec<serde_json::Value>,
    }
    let document: Document = serde_json::from_slice(document)?;
    let usable = document.keys.into_iter().filter_map(|value| {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let kid = jwk
            .common
            .key_id
            .clone()
            .filter(|kid| kid.len() <= MAX_KID)?;
        Some((kid, Arc::new(Key::of(&jwk)?)))
    });
    Ok(usable.take(MAX_KEYS).collect())
}

#[cfg(test)]
mod unit {
    use serde_json::json;

    use super::*;

    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

    fn ids(keys: &serde_json::Value) -> Vec<String> {
        let set = parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
        let mut ids: Vec<_> = set.into_keys().collect();
        ids.sort();
        ids
    }

    #[test]
    fn rfc7517_4_2_a_key_for_another_use_is_left_out() {
        let ec = |kid: &str, extra: (&str, serde_json::Value)| {
            let mut key = json!({"kty": "EC", "crv": "P-256", "x": X, "y": Y, "kid": kid});
            key[extra.0] = extra.1;
            key
        };
        let keys = json!([
            ec("sig", ("use", json!("sig"))),
            ec("enc", ("use", json!("enc"))),
            ec("verify", ("key_ops", json!(["verify"]))),
            ec("wrap", ("key_ops", json!(["wrapKey"]))),
            ec("other alg", ("alg", json!("ES384"))),
            {"kty": "EC", "crv": "P-256", "x": X, "y": Y},
        ]);
        assert_eq!(ids(&keys), ["sig", "verify"]);
    }

    #[test]
    fn rfc8725_3_1_a_symmetric_key_is_never_taken() {
        let keys = json!([{"kty": "oct", "k": "c2VjcmV0", "kid": "a", "alg": "HS256"}]);
        assert!(ids(&keys).is_empty());
    }

    #[test]
    fn one_strange_key_does_not_take_the_others_with_it() {
        let keys = json!([
            17,
            {"kty": "quantum", "kid": "q"},
            {"kty": "EC", "crv": "P-256", "x": X, "y": Y, "kid": "a"},
        ]);
        assert_eq!(ids(&keys), ["a"]);
    }

    #[test]
    fn the_set_is_bounded() {
        let keys: Vec<_> = (0..MAX_KEYS + 9)
            .map(|n| json!({"kty": "EC", "crv": "P-256", "x": X, "y": Y, "kid": n.to_string()}))
            .collect();
        assert_eq!(ids(&json!(keys)).len(), MAX_KEYS);
    }
}
