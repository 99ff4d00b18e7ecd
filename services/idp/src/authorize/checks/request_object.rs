//! OIDC Core §6: request objects are not taken, and are told so by their own errors.

use oauth_types::ErrorCode;

use super::{Asked, Refusal};
use crate::domain::AuthorizationRequest;

pub(super) fn check(asked: &Asked<'_>, _: &mut AuthorizationRequest) -> Result<(), Refusal> {
    if asked.params.has("request") {
        return Err(Refusal::new(
            ErrorCode::RequestNotSupported,
            "Request objects are not taken here.",
        ));
    }
    if asked.params.has("request_uri") {
        return Err(Refusal::new(
            ErrorCode::RequestUriNotSupported,
            "Only a request_uri that was pushed here is taken (RFC 9126).",
        ));
    }
    if asked.params.has("registration") {
        return Err(Refusal::new(
            ErrorCode::RegistrationNotSupported,
            "registration is not taken here.",
        ));
    }
    Ok(())
}
