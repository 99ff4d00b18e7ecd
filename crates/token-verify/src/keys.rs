//! A set of public keys, and the search for the key that signed a JWT. The type of a
//! key determines its algorithms, so a token cannot choose another algorithm for it
//! (RFC 8725 §3.1).

use std::sync::Arc;

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    jwt::{UnverifiedHeader, UnverifiedJwt},
    thumbprint::thumbprint,
};

/// The maximum number of keys in a set.
const MAX_KEYS: usize = 32;
/// The maximum number of keys that are tried for one signature.
const MAX_TRIED: usize = 8;
/// The maximum length of a key id in bytes.
const MAX_KID: usize = 200;
/// The members of a key that are read. Others, such as those of certificates, may have
/// any type.
const MEMBERS: [&str; 10] = [
    "kty", "crv", "x", "y", "n", "e", "use", "key_ops", "alg", "kid",
];

/// Why no key of a set verifies a JWT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSigner {
    /// RFC 7515 §4.1.11.
    #[error("its header has critical parameters, which are not supported")]
    Critical,
    /// RFC 8725 §3.1.
    #[error("its algorithm is not allowed")]
    Algorithm,
    /// No key has its key id, or no key without an id made the signature.
    #[error("it is not signed by a known key")]
    Unknown,
    /// The keys with its key id have other algorithms.
    #[error("its key is for another algorithm")]
    OtherAlgorithm,
    /// The keys with its key id did not make the signature.
    #[error("its signature is invalid")]
    Signature,
}

impl NoSigner {
    /// Whether a newer set of keys could verify the JWT. A new key may also have the id
    /// of an old one.
    pub const fn may_be_outdated(self) -> bool {
        !matches!(self, Self::Critical | Self::Algorithm)
    }
}

impl UnverifiedHeader {
    /// The algorithm, if it is one of `allowed` and the header has no critical
    /// parameter (RFC 8725 §3.1, RFC 7515 §4.1.11).
    pub fn algorithm(&self, allowed: &[Algorithm]) -> Result<Algorithm, NoSigner> {
        if self.is_critical {
            return Err(NoSigner::Critical);
        }
        let algorithm = self.alg.parse().ok();
        algorithm
            .filter(|algorithm| allowed.contains(algorithm))
            .ok_or(NoSigner::Algorithm)
    }
}

/// The type of a key (RFC 7518 §6.1), which limits its algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    P256,
    Rsa,
    Ed25519,
}

impl Kind {
    const fn checks(self, algorithm: Algorithm) -> bool {
        matches!(
            (self, algorithm),
            (Self::P256, Algorithm::ES256)
                | (Self::Rsa, Algorithm::RS256 | Algorithm::PS256)
                | (Self::Ed25519, Algorithm::EdDSA)
        )
    }
}

/// A parsed public key for signatures.
pub struct Key {
    kid: Option<String>,
    kind: Kind,
    /// Its only algorithm, if it states one (RFC 7517 §4.4).
    only: Option<Algorithm>,
    verifying: DecodingKey,
    jwk: Value,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// The key as published.
    pub const fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// Its thumbprint (RFC 7638 §3.2).
    pub fn thumbprint(&self) -> String {
        let required: &[&str] = match self.kind {
            Kind::P256 => &["crv", "kty", "x", "y"],
            Kind::Rsa => &["e", "kty", "n"],
            Kind::Ed25519 => &["crv", "kty", "x"],
        };
        let members = required.iter().map(|name| (*name, self.jwk[*name].clone()));
        thumbprint(&members.collect())
    }

    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        self.kind.checks(algorithm) && self.only.is_none_or(|only| only == algorithm)
    }

    pub(crate) fn signed(&self, jwt: &UnverifiedJwt<'_>, algorithm: Algorithm) -> bool {
        let message = jwt.message.as_bytes();
        jsonwebtoken::crypto::verify(jwt.signature, message, &self.verifying, algorithm)
            .unwrap_or(false)
    }

    /// Parses a published key. `None` if the key is not for verifying signatures or has
    /// a type that is not allowed, such as a symmetric key.
    pub(crate) fn of(published: &Value) -> Option<Self> {
        let read = published.as_object()?.iter();
        let read = read.filter(|(name, _)| MEMBERS.contains(&name.as_str()));
        let read = read.map(|(name, value)| (name.clone(), value.clone()));
        let jwk: Jwk = serde_json::from_value(Value::Object(read.collect())).ok()?;
        if !is_for_signatures(&jwk) {
            return None;
        }
        let kind = match &jwk.algorithm {
            AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => Kind::P256,
            AlgorithmParameters::RSA(_) => Kind::Rsa,
            AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => {
                Kind::Ed25519
            }
            _ => return None,
        };
        let only = match jwk.common.key_algorithm {
            None => None,
            Some(named) => Some(signature_algorithm(named).filter(|alg| kind.checks(*alg))?),
        };
        Some(Self {
            kind,
            only,
            verifying: DecodingKey::from_jwk(&jwk).ok()?,
            // A longer id is never looked up.
            kid: jwk.common.key_id,
            jwk: published.clone(),
        })
    }
}

/// RFC 7517 §4.2, §4.3.
fn is_for_signatures(jwk: &Jwk) -> bool {
    let used = jwk.common.public_key_use.as_ref();
    let operations = jwk.common.key_operations.as_ref();
    used.is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
        && operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify))
}

const fn signature_algorithm(named: KeyAlgorithm) -> Option<Algorithm> {
    match named {
        KeyAlgorithm::ES256 => Some(Algorithm::ES256),
        KeyAlgorithm::RS256 => Some(Algorithm::RS256),
        KeyAlgorithm::PS256 => Some(Algorithm::PS256),
        KeyAlgorithm::EdDSA => Some(Algorithm::EdDSA),
        _ => None,
    }
}

/// The keys of one JWK set (RFC 7517 §5).
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<Arc<Key>>);

impl KeySet {
    /// Reads a JWK set and skips unusable keys, so that an unknown key does not
    /// invalidate the others.
    pub fn parse(document: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document = serde_json::from_slice(document)?;
        let usable = document.keys.iter().filter_map(Key::of).map(Arc::new);
        Ok(Self(usable.take(MAX_KEYS).collect()))
    }

    /// Whether a key supports one of `algorithms`.
    pub fn serves(&self, algorithms: &[Algorithm]) -> bool {
        let fits = |key: &Arc<Key>| algorithms.iter().any(|alg| key.fits(*alg));
        self.0.iter().any(fits)
    }

    /// Whether the set contains this key object.
    pub fn holds(&self, key: &Arc<Key>) -> bool {
        self.0.iter().any(|own| Arc::ptr_eq(own, key))
    }

    /// The key that signed `jwt` with one of the algorithms `allowed`. Several keys may
    /// have the same key id, and a JWT or a key may have none, so this tries all keys
    /// that match by id, type, algorithm and use.
    pub fn signer(
        &self,
        jwt: &UnverifiedJwt<'_>,
        allowed: &[Algorithm],
    ) -> Result<&Arc<Key>, NoSigner> {
        let algorithm = jwt.header.algorithm(allowed)?;
        let kid = jwt.header.kid.as_deref();
        if kid.is_some_and(|kid| kid.len() > MAX_KID) {
            return Err(NoSigner::Unknown);
        }
        let is_named = kid.is_some() && self.0.iter().any(|key| key.kid.as_deref() == kid);
        let is_meant = |key: &&Arc<Key>| match kid {
            Some(_) if is_named => key.kid.as_deref() == kid,
            Some(_) => key.kid.is_none(),
            None => true,
        };
        let meant = self.0.iter().filter(is_meant);
        let mut fitting = meant.filter(|key| key.fits(algorithm)).peekable();
        let none = match (is_named, fitting.peek()) {
            (false, _) => NoSigner::Unknown,
            (true, None) => NoSigner::OtherAlgorithm,
            (true, Some(_)) => NoSigner::Signature,
        };
        let mut tried = fitting.take(MAX_TRIED);
        tried.find(|key| key.signed(jwt, algorithm)).ok_or(none)
    }

    #[cfg(test)]
    fn ids(&self) -> Vec<&str> {
        let ids = self.0.iter().map(|key| key.kid.as_deref().unwrap_or("-"));
        ids.collect()
    }
}

#[cfg(test)]
mod unit {
    use serde_json::json;

    use super::*;
    use crate::testing::TestKey;

    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    const ALL: [Algorithm; 4] = [
        Algorithm::ES256,
        Algorithm::RS256,
        Algorithm::PS256,
        Algorithm::EdDSA,
    ];

    fn set(keys: &Value) -> KeySet {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn rfc7517_4_2_a_key_for_another_use_is_left_out() {
        let ec = |kid: &str, extra: (&str, Value)| {
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
            ec("of another kind", ("alg", json!("RS256"))),
            {"kty": "EC", "crv": "P-256", "x": X, "y": Y},
        ]);
        assert_eq!(set(&keys).ids(), ["sig", "verify", "-"]);
    }

    #[test]
    fn rfc8725_3_1_a_symmetric_key_is_never_taken() {
        let keys = json!([{"kty": "oct", "k": "c2VjcmV0", "kid": "a", "alg": "HS256"}]);
        assert!(set(&keys).ids().is_empty());
    }

    #[test]
    fn one_strange_key_does_not_take_the_others_with_it() {
        let keys = json!([
            17,
            {"kty": "quantum", "kid": "q"},
            {"kty": "EC", "crv": "P-256", "x": X, "y": Y, "kid": "a"},
            {"kty": "EC", "crv": "P-256", "x": X, "y": Y, "kid": "b", "x5c": "odd", "exp": {}},
        ]);
        assert_eq!(set(&keys).ids(), ["a", "b"]);
    }

    #[test]
    fn the_set_is_bounded() {
        let keys: Vec<_> = (0..MAX_KEYS + 9)
            .map(|n| json!({"kty": "EC", "crv": "P-256", "x": X, "y": Y, "kid": n.to_string()}))
            .collect();
        assert_eq!(set(&json!(keys)).ids().len(), MAX_KEYS);
    }

    fn signed(key: &TestKey, kid: Option<&str>) -> String {
        let mut header = json!({"alg": key.alg()});
        if let Some(kid) = kid {
            header["kid"] = json!(kid);
        }
        key.sign(&header, &json!({}))
    }

    fn check(keys: &Value, token: &str) -> Result<(), NoSigner> {
        let jwt = UnverifiedJwt::split(token).unwrap();
        set(keys).signer(&jwt, &ALL).map(|_| ())
    }

    fn without_kid(mut jwk: Value) -> Value {
        jwk.as_object_mut().unwrap().remove("kid");
        jwk
    }

    #[test]
    fn rfc7517_4_5_keys_of_one_kid_are_told_apart_by_kind_algorithm_and_use() {
        let (ec, rsa, ed) = (TestKey::es256(), TestKey::rs256(), TestKey::eddsa());
        let other = TestKey::es256();
        let mut for_encryption = TestKey::es256().jwk("1");
        for_encryption["use"] = json!("enc");
        let keys = json!([
            for_encryption,
            other.jwk("1"),
            rsa.jwk("1"),
            ec.jwk("1"),
            ed.jwk("1")
        ]);
        for key in [&ec, &rsa, &ed, &other] {
            assert_eq!(
                check(&keys, &signed(key, Some("1"))),
                Ok(()),
                "{}",
                key.alg()
            );
        }
        let stranger = signed(&TestKey::es256(), Some("1"));
        assert_eq!(check(&keys, &stranger), Err(NoSigner::Signature));
        let rsa_alone = json!([rsa.jwk("1")]);
        assert_eq!(
            check(&rsa_alone, &signed(&ec, Some("1"))),
            Err(NoSigner::OtherAlgorithm)
        );
    }

    #[test]
    fn rfc7515_4_1_4_a_jwt_or_a_key_may_have_no_kid() {
        let (first, second) = (TestKey::es256(), TestKey::es256());
        let named = json!([first.jwk("1"), second.jwk("2")]);
        let unnamed = json!([without_kid(first.jwk("1")), without_kid(second.jwk("2"))]);
        for keys in [&named, &unnamed] {
            assert_eq!(check(keys, &signed(&second, None)), Ok(()));
            let stranger = signed(&TestKey::es256(), None);
            assert_eq!(check(keys, &stranger), Err(NoSigner::Unknown));
        }
        // A key id that no key has may be one of the keys without.
        assert_eq!(check(&unnamed, &signed(&second, Some("2"))), Ok(()));
        assert_eq!(
            check(&named, &signed(&second, Some("3"))),
            Err(NoSigner::Unknown)
        );
        assert_eq!(
            check(&named, &signed(&second, Some("1"))),
            Err(NoSigner::Signature),
            "whose key id is another's is not tried with the others"
        );
    }

    #[test]
    fn a_signature_is_tried_with_few_keys() {
        let signer = TestKey::es256();
        let strangers = |count: usize| {
            let keys = (0..count).map(|_| TestKey::es256().jwk("1"));
            json!(keys.chain([signer.jwk("1")]).collect::<Vec<_>>())
        };
        let token = signed(&signer, Some("1"));
        assert_eq!(check(&strangers(MAX_TRIED - 1), &token), Ok(()));
        assert_eq!(
            check(&strangers(MAX_TRIED), &token),
            Err(NoSigner::Signature)
        );
    }

    #[test]
    fn fuzz_tokens_against_a_key() {
        let key = TestKey::es256();
        let keys = set(&json!([key.jwk("1"), TestKey::eddsa().jwk("2")]));
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": "1", "crit": null});
        let plain = json!({"alg": "ES256", "kid": "1"});
        let claims = json!({"sub": "a", "exp": 1_800_000_000.5, "aud": ["x"]});
        let genuine = [key.sign(&header, &claims), key.sign(&plain, &claims)];
        fuzz::run_text(&genuine.each_ref().map(String::as_str), |token| {
            let Some(jwt) = UnverifiedJwt::split(token) else {
                return;
            };
            assert_eq!(format!("{}.{}", jwt.message, jwt.signature), token);
            let _ = jwt.claims::<Value>();
            if keys.signer(&jwt, &ALL).is_ok() {
                assert!(genuine.iter().any(|one| one == token), "forged");
                assert!(!jwt.header.is_critical, "RFC 7515 section 4.1.11");
            }
        });
    }

    #[test]
    fn fuzz_key_sets() {
        let key = TestKey::es256();
        let jwk = key.jwk("1");
        let token = key.sign(&json!({"alg": "ES256", "kid": "1"}), &json!({"sub": "a"}));
        let jwt = UnverifiedJwt::split(&token).unwrap();
        let more = [
            TestKey::eddsa().jwk("1"),
            json!({"kty": "EC", "crv": "P-256", "x": X, "y": Y, "use": "enc"}),
            json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "key_ops": ["verify"]}),
        ];
        let own = json!({ "keys": [jwk] }).to_string();
        let others = json!({ "keys": more, "more": 1 }).to_string();
        fuzz::run(&[&own, &others], |document| {
            let Ok(keys) = KeySet::parse(document) else {
                return;
            };
            assert!(keys.0.len() <= MAX_KEYS);
            if keys.signer(&jwt, &ALL).is_ok() {
                let text = String::from_utf8_lossy(document);
                assert!(
                    ["x", "y"]
                        .iter()
                        .all(|name| text.contains(jwk[name].as_str().unwrap()))
                );
            }
        });
    }
}
