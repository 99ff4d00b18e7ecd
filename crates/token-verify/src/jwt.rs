//! A JWT taken apart (RFC 7515 §7.1). Nothing in it is believed yet.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde::{Deserialize, de::DeserializeOwned};

use crate::keys::NoSigner;

/// The header. `jku`, `jwk`, `x5u` and `x5c` are not read: keys come from the
/// signer's own set only (RFC 8725 §3.10).
#[derive(Debug, Deserialize)]
pub struct UnverifiedHeader {
    /// The algorithm's name.
    pub alg: String,
    /// The type that it claims.
    pub typ: Option<String>,
    /// The id of the key that it claims.
    pub kid: Option<String>,
    crit: Option<serde_json::Value>,
}

impl UnverifiedHeader {
    /// The algorithm, where it is one of `allowed` and nothing else has to be
    /// understood (RFC 8725 §3.1, RFC 7515 §4.1.11).
    pub fn algorithm(&self, allowed: &[Algorithm]) -> Result<Algorithm, NoSigner> {
        if self.crit.is_some() {
            return Err(NoSigner::Critical);
        }
        let algorithm = self.alg.parse().ok();
        algorithm
            .filter(|algorithm| allowed.contains(algorithm))
            .ok_or(NoSigner::Algorithm)
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
    payload: &'a str,
}

impl<'a> UnverifiedJwt<'a> {
    /// Splits `token`; `None` if it is not a signed JWT.
    pub fn split(token: &'a str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        Some(Self {
            header: json(header)?,
            message,
            signature,
            payload,
        })
    }

    /// The claims. They are trustworthy only after the signature was verified
    /// ([`KeySet::signer`](crate::keys::KeySet::signer)).
    pub fn claims<T: DeserializeOwned>(&self) -> Option<T> {
        json(self.payload)
    }
}

fn json<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
