//! RFC 7636 §4.3, RFC 9700 §2.1.1: S256 alone, and required unless the client
//! is confidential and set otherwise.

use oauth_types::{ErrorCode, pkce};

use super::{Asked, Refusal};
use crate::domain::AuthorizationRequest;

pub(super) fn check(asked: &Asked<'_>, request: &mut AuthorizationRequest) -> Result<(), Refusal> {
    let invalid = |why: &str| Refusal::new(ErrorCode::InvalidRequest, why);
    let method = asked.params.one("code_challenge_method")?;
    match asked.params.one("code_challenge")? {
        None if method.is_some() => Err(invalid("code_challenge_method without a code_challenge.")),
        None if asked.client.require_pkce => Err(invalid(
            "This client has to send a code_challenge (PKCE, RFC 7636).",
        )),
        None => Ok(()),
        // RFC 7636 §4.3: no method means plain.
        Some(_) if method != Some(pkce::S256) => {
            Err(invalid("code_challenge_method must be S256."))
        }
        Some(challenge) if pkce::is_challenge(challenge) => {
            request.code_challenge = Some(challenge.to_owned());
            Ok(())
        }
        Some(_) => Err(invalid(
            "code_challenge must have 43 characters of base64url.",
        )),
    }
}
