//! OIDC Core §6: request objects are not supported. Each parameter has its own
//! error.

use oauth_types::{ErrorCode, Params};

use super::Refusal;

/// Refuses what would hold a request object.
pub(super) fn check(params: &Params) -> Result<(), Refusal> {
    let unsupported = [
        (
            "request",
            ErrorCode::RequestNotSupported,
            "Request objects are not supported.",
        ),
        (
            "request_uri",
            ErrorCode::RequestUriNotSupported,
            "A request_uri must come from this server's pushed authorization request endpoint (RFC 9126).",
        ),
        (
            "registration",
            ErrorCode::RegistrationNotSupported,
            "registration is not supported.",
        ),
    ];
    let found = unsupported.into_iter().find(|(name, ..)| params.has(name));
    found.map_or(Ok(()), |(_, code, why)| Err(Refusal::new(code, why)))
}
