//! Size limits: the request is stored before anybody has signed in.

use oauth_types::{ErrorCode, Params};

use super::Refusal;
use crate::{budgets::MAX_RECORD, domain::AuthorizationRequest};

/// The most bytes of `nonce`.
const MAX_NONCE: usize = 512;
/// The most bytes of a stored request. The rest of its record is for the other
/// fields and the MAC.
pub const MAX_REQUEST: usize = MAX_RECORD - 370;

/// `nonce` (OIDC Core §3.1.2.1).
pub(super) fn nonce(params: &Params) -> Result<Option<String>, Refusal> {
    let nonce = params.one("nonce")?;
    if nonce.is_some_and(|nonce| nonce.len() > MAX_NONCE) {
        return Err(Refusal::new(
            ErrorCode::InvalidRequest,
            format!("nonce has at most {MAX_NONCE} bytes."),
        ));
    }
    Ok(nonce.map(str::to_owned))
}

/// The size of the whole request, as it is stored.
pub(super) fn check_size(request: &AuthorizationRequest) -> Result<(), Refusal> {
    let size = serde_json::to_vec(request).map_or(usize::MAX, |json| json.len());
    if size <= MAX_REQUEST {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorCode::InvalidRequest,
        format!(
            "The request is too large: state, nonce, scope and the other parameters have {size} bytes as JSON, at most {MAX_REQUEST} are accepted."
        ),
    ))
}
