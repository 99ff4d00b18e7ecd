//! RFC 6749 §3.3, OIDC Core §3.1.2.1: what the client asks for. Scopes that are
//! not known, or not for this client, are ignored; the token answer says what
//! was granted.

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
    let settings = &asked.idp.settings;
    request.scope = scope.filter(|token| settings.allows(asked.client, token));
    if request.scope.is_empty() {
        return Err(invalid("This client may ask for none of this.".to_owned()));
    }
    Ok(())
}
