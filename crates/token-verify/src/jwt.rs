//! A JWT taken apart (RFC 7515 §7.1). Nothing in it is believed yet.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::refusal::Invalid;

/// What the header says. `jku`, `jwk`, `x5u` and `x5c` are not even read: keys
/// come from the issuer alone (RFC 8725 §3.10).
#[derive(Deserialize)]
pub(crate) struct UnverifiedHeader {
    pub(crate) alg: String,
    pub(crate) typ: Option<String>,
    pub(crate) kid: Option<String>,
    pub(crate) crit: Option<serde_json::Value>,
}

/// The parts of a JWT in its compact form.
pub(crate) struct UnverifiedJwt<'a> {
    pub(crate) header: UnverifiedHeader,
    /// What the signature is over.
    pub(crate) message: &'a str,
    pub(crate) signature: &'a str,
    payload: &'a str,
}

impl<'a> UnverifiedJwt<'a> {
    pub(crate) fn split(token: &'a str) -> Result<Self, Invalid> {
        let (message, signature) = token.rsplit_once('.').ok_or(Invalid::NotAJwt)?;
        let (header, payload) = message.split_once('.').ok_or(Invalid::NotAJwt)?;
        let header = json(header).ok_or(Invalid::NotAJwt)?;
        Ok(Self {
            header,
            message,
            signature,
            payload,
        })
    }

    /// The claims; ask for them only once the signature is found good.
    pub(crate) fn claims(&self) -> Option<serde_json::Map<String, serde_json::Value>> {
        json(self.payload)
    }
}

fn json<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
