//! RFC 7636 §4.3, RFC 9700 §2.1.1: PKCE with S256 only, required unless a
//! confidential client is configured otherwise.

use kit::config::{Weakness, Weaknesses};
use kit::telemetry::Waivers;
use oauth_types::{ErrorCode, Params, pkce};

use super::Refusal;
use crate::settings::Client;

/// `code_challenge`.
pub(super) fn code_challenge(
    client: &Client,
    params: &Params,
    weaknesses: Weaknesses,
) -> Result<Option<String>, Refusal> {
    let invalid = |why: &str| Refusal::new(ErrorCode::InvalidRequest, why);
    let method = params.one("code_challenge_method")?;
    match params.one("code_challenge")? {
        None if method.is_some() => Err(invalid("code_challenge_method without a code_challenge.")),
        None if client.require_pkce && !Waivers::one(weaknesses, Weakness::PkceOptional) => Err(
            invalid("This client has to send a code_challenge (PKCE, RFC 7636)."),
        ),
        None => Ok(None),
        // RFC 7636 §4.3: no method means plain.
        Some(_) if method != Some(pkce::S256) => {
            Err(invalid("code_challenge_method must be S256."))
        }
        Some(challenge) if pkce::is_challenge(challenge) => Ok(Some(challenge.to_owned())),
        Some(_) => Err(invalid(
            "code_challenge must have 43 characters of base64url.",
        )),
    }
}
