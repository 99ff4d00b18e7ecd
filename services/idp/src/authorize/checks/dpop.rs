//! The key that a code is bound to (RFC 9449 §10): the parameter `dpop_jkt`, and the proof
//! of a pushed request (§10.1).

use oauth_types::{ErrorCode, Params};

use super::Refusal;
use crate::token_binding::TokenBinding;

/// The characters of a SHA-256 in base64url.
const THUMBPRINT: usize = 43;

/// The thumbprint of the key that the code is bound to, if it is bound to one.
pub(super) fn key(params: &Params, proven: &TokenBinding) -> Result<Option<String>, Refusal> {
    let refused = |why: &str| Refusal::new(ErrorCode::InvalidRequest, why);
    let named = params.one("dpop_jkt")?;
    if named.is_some_and(|jkt| !is_thumbprint(jkt)) {
        return Err(refused(
            "dpop_jkt must be the SHA-256 thumbprint of a key, 43 characters of base64url.",
        ));
    }
    match (named, proven.key()) {
        (Some(named), Some(proven)) if named != proven => Err(refused(
            "dpop_jkt names another key than that of the DPoP proof (RFC 9449 section 10.1).",
        )),
        (named, proven) => Ok(named.or(proven).map(str::to_owned)),
    }
}

fn is_thumbprint(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() == THUMBPRINT && text.bytes().all(fits)
}
