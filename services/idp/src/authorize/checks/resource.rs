//! RFC 8707 §2.1: the audiences of the grant. They are those that `resource` (or
//! its alias `audience`) names and those whose scopes are requested.

use oauth_types::{ErrorCode, Params, Scope};

use super::Refusal;
use crate::{Idp, settings::Client};

/// The audiences, the named ones first.
pub(super) fn audiences(
    idp: &Idp,
    client: &Client,
    params: &Params,
    scope: &Scope,
) -> Result<Vec<String>, Refusal> {
    let allowed = &client.audiences;
    let mut audiences: Vec<String> = Vec::new();
    for named in params.resources() {
        if !allowed.iter().any(|audience| audience == named) {
            return Err(Refusal::new(
                ErrorCode::InvalidTarget,
                "A resource is unknown, or not allowed for this client.",
            ));
        }
        audiences.push(named.to_owned());
    }
    for audience in allowed {
        let is_requested = !idp.settings.scope_at(scope, audience).is_empty();
        if is_requested && !audiences.contains(audience) {
            audiences.push(audience.clone());
        }
    }
    Ok(audiences)
}
