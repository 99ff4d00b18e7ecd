//! A JWT taken apart (RFC 7515 §7.1). Nothing in it is believed yet.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde::{Deserialize, de::DeserializeOwned};

use crate::keys::NoSigner;

/// What the header says. `jku`, `jwk`, `x5u` and `x5c` are not even read: keys
/// come from the signer's own set alone (RFC 8725 §3.10).
#[derive(Debug, Deserialize)]
pub struct UnverifiedHeader {
    /// The algorithm's name.
    pub alg: String,
    /// What kind of JWT it claims to be.
    pub typ: Option<String>,
    /// Which key it claims to be signed by.
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
    /// What the signature is over.
    pub(crate) message: &'a str,
    pub(crate) signature: &'a str,
    payload: &'a str,
}

impl<'a> UnverifiedJwt<'a> {
    /// Takes `token` apart; `None` where it is no signed JWT.
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

    /// The claims. They count only once the signature is found good
    /// ([`KeySet::signer`](crate::keys::KeySet::signer)).
    pub fn claims<T: DeserializeOwned>(&self) -> Option<T> {
        json(self.payload)
    }
}

fn json<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
