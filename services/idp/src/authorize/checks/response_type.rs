//! RFC 6749 §3.1.1: `code` only. No token passes through the browser.

use oauth_types::{ErrorCode, Params};

use super::Refusal;

/// The only `response_type`.
pub const RESPONSE_TYPE: &str = "code";
/// The only `response_mode`.
pub const RESPONSE_MODE: &str = "query";

/// `response_type` and `response_mode`.
pub(super) fn check(params: &Params) -> Result<(), Refusal> {
    let invalid = |why: &str| Err(Refusal::new(ErrorCode::InvalidRequest, why));
    match params.one("response_type")? {
        Some(RESPONSE_TYPE) => {}
        Some(_) => {
            let why = "response_type must be code.";
            return Err(Refusal::new(ErrorCode::UnsupportedResponseType, why));
        }
        None => return invalid("response_type is missing."),
    }
    match params.one("response_mode")? {
        None | Some(RESPONSE_MODE) => Ok(()),
        Some(_) => invalid("response_mode must be query."),
    }
}
