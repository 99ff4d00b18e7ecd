//! RFC 6749 §3.1.1: `code` alone; no token ever comes through the browser.

use oauth_types::ErrorCode;

use super::{Asked, Refusal};
use crate::domain::AuthorizationRequest;

pub(super) fn check(asked: &Asked<'_>, _: &mut AuthorizationRequest) -> Result<(), Refusal> {
    match asked.params.one("response_type")? {
        Some("code") => {}
        Some(_) => {
            return Err(Refusal::new(
                ErrorCode::UnsupportedResponseType,
                "response_type must be code.",
            ));
        }
        None => {
            return Err(Refusal::new(
                ErrorCode::InvalidRequest,
                "response_type is missing.",
            ));
        }
    }
    match asked.params.one("response_mode")? {
        None | Some("query") => Ok(()),
        Some(_) => Err(Refusal::new(
            ErrorCode::InvalidRequest,
            "response_mode must be query.",
        )),
    }
}
