//! The address of the page `/device`, and the code in it.

use oauth_types::{Params, params::BadParams};

use super::codes::UserCode;

/// Where the page is (RFC 8628 §3.2, `verification_uri`).
pub const PATH: &str = "/device";
/// The parameter of the link, and the field of the forms.
pub(super) const USER_CODE: &str = "user_code";

/// The path of the page, with `code` if there is one (`verification_uri_complete`).
pub(super) fn path(code: Option<&UserCode>) -> String {
    match code {
        Some(code) => format!("{PATH}?{USER_CODE}={code}"),
        None => PATH.to_owned(),
    }
}

/// The code in `params`, if it has the form of one.
pub(super) fn code_in(params: &Params) -> Result<Option<UserCode>, BadParams> {
    Ok(params.one(USER_CODE)?.and_then(UserCode::typed))
}
