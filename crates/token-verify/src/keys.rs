//! A set of public keys, and the search for the key that signed a JWT. The type of a
//! key determines its algorithms, so a token cannot choose another algorithm for it
//! (RFC 8725 §3.1).

use std::sync::Arc;

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    jwt::{UnverifiedHeader, UnverifiedJwt, key_id},
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
        let read = read_members(published, None)?;
        let jwk: Jwk = serde_json::from_value(read.into()).ok()?;
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

/// The members of `published` that are read, but for `without`. A key id may be a number,
/// one key operation need not be in a list, and what is no operation is none.
fn read_members(published: &Value, without: Option<&str>) -> Option<Map<String, Value>> {
    let mut members = published.as_object()?.clone();
    members.retain(|name, _| MEMBERS.contains(&name.as_str()) && Some(name.as_str()) != without);
    if let Some(kid) = members.get_mut("kid")
        && let Some(text) = key_id(kid.clone())
    {
        *kid = Value::String(text);
    }
    match members.get_mut("key_ops") {
        Some(Value::Array(all)) => all.retain(Value::is_string),
        Some(one @ Value::String(_)) => *one = Value::Array(vec![one.clone()]),
        _ => {}
    }
    Some(members)
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
        let mut odd = None;
        let usable = document.keys.iter().filter_map(|key| {
            let read = Key::of(key);
            if read.is_none() && odd.is_none() {
                odd = unreadable(key);
            }
            read
        });
        let usable: Vec<_> = usable.map(Arc::new).take(MAX_KEYS + 1).collect();
        if let Some(name) = odd {
            tracing::warn!("a key of a JWK set is left out: its member {name} cannot be read");
        }
        if usable.len() > MAX_KEYS {
            tracing::warn!(
                "a JWK set has more than {MAX_KEYS} usable keys: the others are left out"
            );
        }
        Ok(Self(usable.into_iter().take(MAX_KEYS).collect()))
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

/// The member without which `published` could be read, if that is the one that cannot be
/// read. A key of an unknown type has none.
fn unreadable(published: &Value) -> Option<&'static str> {
    let is_read = |without| {
        let members = read_members(published, without).map(Value::Object);
        members.is_some_and(|members| serde_json::from_value::<Jwk>(members).is_ok())
    };
    let mut optional = ["use", "key_ops", "alg", "kid"].into_iter();
    let named = optional.find(|name| is_read(Some(name)));
    named.filter(|_| !is_read(None))
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod unit;
