//! What is returned or kept as it came, and how long it may be.

use oauth_types::ErrorCode;

use super::{Asked, Refusal};
use crate::domain::AuthorizationRequest;

/// The most characters of `state`.
const MAX_STATE: usize = 2048;
/// The most characters of `nonce`.
const MAX_NONCE: usize = 512;

pub(super) fn check(asked: &Asked<'_>, request: &mut AuthorizationRequest) -> Result<(), Refusal> {
    let bounded = |name: &'static str, most: usize| match asked.params.one(name)? {
        Some(value) if value.len() > most => Err(Refusal::new(
            ErrorCode::InvalidRequest,
            format!("{name} has at most {most} characters."),
        )),
        value => Ok(value.map(str::to_owned)),
    };
    request.state = bounded("state", MAX_STATE)?;
    request.nonce = bounded("nonce", MAX_NONCE)?;
    Ok(())
}
