//! A client's key, and the proofs that it makes (RFC 9449 §4.2).

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    agreement, hkdf,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kit::{clock::Timestamp, random::Random, seal::KEY_LEN};
use serde::Serialize;
use serde_json::json;

use super::{JWT_TYPE, proof::hash_of};
use crate::thumbprint::{base64url, thumbprint};

/// The bytes of a private key.
const SCALAR: usize = 32;
/// How often a number beyond the curve's order is replaced: one draw in four billion is.
const DRAWS: u8 = 4;

/// A private key (P-256), parsed once. `Debug` shows its thumbprint alone.
#[derive(Clone)]
pub struct ProofKey(Arc<Inner>);

struct Inner {
    pair: EcdsaKeyPair,
    /// The JOSE header of its proofs, encoded.
    header: String,
    jkt: String,
}

/// The request that a proof is for.
#[derive(Clone, Copy, Debug)]
pub struct ProofRequest<'r> {
    /// The method.
    pub method: &'r str,
    /// The URL as the server's clients know it, without query and fragment.
    pub url: &'r str,
    /// The access token of the request, if it has one.
    pub token: Option<&'r str>,
    /// The nonce that the server gave out, if it did.
    pub nonce: Option<&'r str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    jti: &'a str,
    htm: &'a str,
    htu: &'a str,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

impl ProofKey {
    /// A new key.
    pub fn generate(random: &dyn Random) -> Option<Self> {
        (0..DRAWS).find_map(|_| Self::of_scalar(&random.bytes()))
    }

    /// The key that all replicas derive from `master` for `purpose` (HKDF-SHA-256).
    pub fn derive(master: &[u8; KEY_LEN], purpose: &str) -> Option<Self> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"sso-lab dpop v1");
        let derived = salt.extract(master);
        (0..DRAWS).find_map(|draw| {
            let draw = [0, draw];
            let info = [purpose.as_bytes(), &draw[..]];
            let expanded = derived.expand(&info, hkdf::HKDF_SHA256).ok()?;
            let mut scalar = [0; SCALAR];
            expanded.fill(&mut scalar).ok()?;
            Self::of_scalar(&scalar)
        })
    }

    fn of_scalar(scalar: &[u8; SCALAR]) -> Option<Self> {
        let private = agreement::PrivateKey::from_private_key(&agreement::ECDH_P256, scalar);
        let public = private.ok()?.compute_public_key().ok()?;
        let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(signing, scalar, public.as_ref());
        let pair = pair.ok()?;
        // An uncompressed point: 4, then x and y of 32 bytes each (SEC 1 §2.3.3).
        let point = pair.public_key().as_ref().get(1..65)?;
        let (x, y) = (base64url(&point[..32]), base64url(&point[32..]));
        let jwk = json!({"crv": "P-256", "kty": "EC", "x": x, "y": y});
        let header = json!({"typ": JWT_TYPE, "alg": "ES256", "jwk": jwk});
        Some(Self(Arc::new(Inner {
            pair,
            header: URL_SAFE_NO_PAD.encode(header.to_string()),
            jkt: thumbprint(&jwk),
        })))
    }

    /// The thumbprint of its public half (RFC 7638): `jkt` of the tokens bound to it.
    pub fn jkt(&self) -> &str {
        &self.0.jkt
    }

    /// A proof for `request`, good once. It takes about 30 µs, less than a switch to
    /// another thread and back. `None` if the key fails.
    pub fn proof(
        &self,
        request: &ProofRequest<'_>,
        now: Timestamp,
        random: &dyn Random,
    ) -> Option<String> {
        let claims = Claims {
            jti: &random.id(),
            htm: request.method,
            htu: request.url,
            iat: now.secs(),
            ath: request.token.map(hash_of),
            nonce: request.nonce,
        };
        let mut proof = String::with_capacity(640);
        proof.push_str(&self.0.header);
        proof.push('.');
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(&claims).ok()?, &mut proof);
        let signed = self.0.pair.sign(&SystemRandom::new(), proof.as_bytes());
        let signature = signed.ok()?;
        proof.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut proof);
        Some(proof)
    }
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofKey")
            .field("jkt", &self.0.jkt)
            .finish_non_exhaustive()
    }
}
