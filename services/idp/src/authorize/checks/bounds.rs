//! What is returned or kept as it came, and how large a request may be: it is
//! kept in the store before anybody has signed in.

use oauth_types::ErrorCode;

use super::{Asked, Refusal};
use crate::{budgets::MAX_RECORD, domain::AuthorizationRequest};

/// The most bytes of `nonce`.
const MAX_NONCE: usize = 512;
/// The most bytes of a whole request as it is kept: the rest of its record is
/// what is kept beside it, and its code.
pub const MAX_REQUEST: usize = MAX_RECORD - 370;

pub(super) fn check(asked: &Asked<'_>, request: &mut AuthorizationRequest) -> Result<(), Refusal> {
    request.state = asked.params.one("state")?.map(str::to_owned);
    request.nonce = asked.params.one("nonce")?.map(str::to_owned);
    if request.nonce.as_ref().is_some_and(|n| n.len() > MAX_NONCE) {
        return Err(Refusal::new(
            ErrorCode::InvalidRequest,
            format!("nonce has at most {MAX_NONCE} bytes."),
        ));
    }
    Ok(())
}

/// The last check: whatever made the request long.
pub(super) fn check_size(_: &Asked<'_>, request: &mut AuthorizationRequest) -> Result<(), Refusal> {
    let size = serde_json::to_vec(request).map_or(usize::MAX, |json| json.len());
    if size <= MAX_REQUEST {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorCode::InvalidRequest,
        format!(
            "The request is too large: state, nonce, scope and the other parameters have {size} bytes as JSON; at most {MAX_REQUEST} are kept."
        ),
    ))
}
