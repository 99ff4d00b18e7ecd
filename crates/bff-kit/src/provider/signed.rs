//! A JWT that the provider signed (RFC 7515): the signature by one of its keys,
//! then the claims as members, of which a caller reads what it needs.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_types::Members;
use openidconnect::{
    JsonWebKey as _,
    SignatureVerificationError::{InvalidKey, UnsupportedAlg},
    core::{CoreJsonWebKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm},
};

/// What the provider may sign by: public keys alone, never `none`.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 4] = [
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Why nothing in a token counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsigned {
    /// RFC 7519 §7.2; RFC 7515 §4.1.11: no extension is understood.
    #[error("it is no signed JWT")]
    Unreadable,
    /// RFC 8725 §3.11.
    #[error("typ: it is a token of another kind")]
    Type,
    /// None of those that the provider may sign by.
    #[error("alg is none of those that tokens are signed by")]
    Algorithm,
    /// No known key of the provider has this `kid` and fits `alg` (RFC 7517 §4.2, §4.4):
    /// the provider may have a newer one.
    #[error("no known key of the identity provider fits kid and alg")]
    UnknownKey,
    /// A key that fits, but another signature.
    #[error("the signature is not the identity provider's")]
    Signature,
}

/// The claims of `token`, if one of `keys` signed it and it is of one of `types`.
pub(super) fn claims(
    token: &str,
    keys: &CoreJsonWebKeySet,
    types: &[&str],
) -> Result<Members, Unsigned> {
    let (message, signature) = token.rsplit_once('.').ok_or(Unsigned::Unreadable)?;
    let (header, claims) = message.split_once('.').ok_or(Unsigned::Unreadable)?;
    let signature = URL_SAFE_NO_PAD.decode(signature);
    let signature = signature.map_err(|_| Unsigned::Unreadable)?;
    check_signature(&json(header)?, message.as_bytes(), &signature, keys, types)?;
    json(claims)
}

fn json(part: &str) -> Result<Members, Unsigned> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok();
    let read = bytes.and_then(|bytes| Members::read(&bytes).ok());
    read.ok_or(Unsigned::Unreadable)
}

fn check_signature(
    header: &Members,
    message: &[u8],
    signature: &[u8],
    keys: &CoreJsonWebKeySet,
    types: &[&str],
) -> Result<(), Unsigned> {
    if header.has("crit") {
        return Err(Unsigned::Unreadable);
    }
    let typ = header.text("typ").map_err(|_| Unsigned::Type)?;
    let is_known = |typ: &str| types.iter().any(|known| typ.eq_ignore_ascii_case(known));
    if !typ.is_none_or(is_known) {
        return Err(Unsigned::Type);
    }
    let algorithm = header.value("alg").cloned().unwrap_or_default();
    let algorithm = serde_json::from_value::<CoreJwsSigningAlgorithm>(algorithm);
    let algorithm = algorithm.ok().filter(|named| ALGORITHMS.contains(named));
    let algorithm = algorithm.ok_or(Unsigned::Algorithm)?;
    let kid = header.text("kid").map_err(|_| Unsigned::UnknownKey)?;
    let is_meant = |key: &&CoreJsonWebKey| match kid {
        Some(kid) => key.key_id().is_some_and(|id| id.as_str() == kid),
        None => true,
    };
    let mut error = Unsigned::UnknownKey;
    for key in keys.keys().iter().filter(is_meant) {
        match key.verify_signature(&algorithm, message, signature) {
            Ok(()) => return Ok(()),
            // The key is of another type, or for another use or algorithm.
            Err(InvalidKey(_) | UnsupportedAlg(_)) => {}
            Err(_) => error = Unsigned::Signature,
        }
    }
    Err(error)
}
