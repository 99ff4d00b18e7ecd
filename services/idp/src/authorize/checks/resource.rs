//! RFC 8707 §2.1: which audiences the grant will cover. Those that are named
//! (`resource`, or its alias `audience`), and those whose scopes are asked for.

use oauth_types::ErrorCode;

use super::{Asked, Refusal};
use crate::domain::AuthorizationRequest;

pub(super) fn check(asked: &Asked<'_>, request: &mut AuthorizationRequest) -> Result<(), Refusal> {
    let allowed = &asked.client.audiences;
    let mut audiences: Vec<String> = Vec::new();
    for named in asked.params.resources() {
        if !allowed.iter().any(|audience| audience == named) {
            return Err(Refusal::new(
                ErrorCode::InvalidTarget,
                "A resource is unknown, or not for this client.",
            ));
        }
        audiences.push(named.to_owned());
    }
    for audience in allowed {
        let asked_for = !asked
            .idp
            .settings
            .scope_at(&request.scope, audience)
            .is_empty();
        if asked_for && !audiences.contains(audience) {
            audiences.push(audience.clone());
        }
    }
    request.audiences = audiences;
    Ok(())
}
