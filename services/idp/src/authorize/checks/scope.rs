//! RFC 6749 §3.3: what the client asks for, all of it allowed. Nothing is
//! dropped in silence.

use oauth_types::{ErrorCode, Scope};

use super::{Asked, Refusal};
use crate::domain::AuthorizationRequest;

pub(super) fn check(asked: &Asked<'_>, request: &mut AuthorizationRequest) -> Result<(), Refusal> {
    let invalid = |why: String| Refusal::new(ErrorCode::InvalidScope, why);
    let text = asked
        .params
        .one("scope")?
        .ok_or_else(|| invalid("scope is missing.".to_owned()))?;
    let scope: Scope = text
        .parse()
        .map_err(|e: oauth_types::scope::BadScope| invalid(e.to_string()))?;
    let allowed = asked.idp.settings.scopes_of(asked.client);
    if let Some(unknown) = scope.iter().find(|token| !allowed.contains(token)) {
        return Err(invalid(format!("This client may not ask for {unknown}.")));
    }
    request.scope = scope;
    Ok(())
}
