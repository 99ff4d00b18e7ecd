//! RFC 6749 §3.3, OIDC Core §3.1.2.1: the requested scope. Scopes that are unknown,
//! or not allowed for this client, are ignored. The token response lists the
//! granted ones.

use oauth_types::{ErrorCode, Params, Scope};

use super::Refusal;
use crate::{Idp, settings::Client};

/// The part of the requested scope that the client may have.
pub(super) fn scope(idp: &Idp, client: &Client, params: &Params) -> Result<Scope, Refusal> {
    let invalid = |why: &str| Refusal::new(ErrorCode::InvalidScope, why);
    let text = params.one("scope")?;
    let text = text.ok_or_else(|| invalid("scope is missing."))?;
    let requested: Scope = text
        .parse()
        .map_err(|e: oauth_types::scope::BadScope| invalid(&e.to_string()))?;
    let scope = requested.filter(|token| idp.settings.allows(client, token));
    if scope.is_empty() {
        return Err(invalid("This client may request none of these scopes."));
    }
    Ok(scope)
}
