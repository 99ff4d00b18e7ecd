//! The client credentials grant (RFC 6749 §4.4): no user is involved.

use oauth_types::{ErrorCode, Params, TokenResponse};

use super::requested_scope;
use crate::{
    Idp,
    error::OAuthError,
    issue::{Issue, Subject},
    policy::{Permit, TokenScope},
    settings::Client,
};

pub(super) async fn issue(
    idp: &Idp,
    client: &Client,
    params: &Params,
) -> Result<TokenResponse, OAuthError> {
    let permit = Permit::of_client(idp, client);
    let requested = requested_scope(params)?;
    let scope = match &requested {
        None => permit.scope(),
        Some(requested) if requested.is_within(permit.scope()) => requested,
        Some(_) => return Err(scope_refused("This client may not have this scope.")),
    };
    // Without a named resource, the first audience that the scope belongs to.
    let has_scope = |audience: &&str| !idp.settings.scope_at(scope, audience).is_empty();
    let mut own = client.audiences.iter().map(String::as_str);
    let default = own.clone().find(has_scope).or(own.next());
    let audience = permit.audience_or(params, default)?;
    let scope = idp.settings.scope_at(scope, audience);
    if requested.is_some() && scope.is_empty() {
        return Err(scope_refused("The resource has none of these scopes."));
    }
    crate::issue::issue(
        idp,
        Issue {
            client_id: &client.client_id,
            permit: &permit,
            subject: Subject::Client,
            grant_id: None,
            audience,
            scope: TokenScope::same(scope),
            with_email: false,
            // RFC 6749 §4.4.3: no refresh token.
            refresh_token: None,
            id_token: None,
            exchanged: None,
        },
    )
    .await
}

fn scope_refused(why: &str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidScope, why)
}
