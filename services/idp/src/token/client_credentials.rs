//! The client credentials grant (RFC 6749 §4.4): no user is involved.

use oauth_types::{ErrorCode, TokenResponse};

use super::{asked_scope, one_audience};
use crate::{
    error::OAuthError,
    issue::{Issue, Subject},
    params::Params,
    policy::{Cut, Permit},
    settings::Client,
    state::Idp,
};

pub(super) async fn issue(
    idp: &Idp,
    client: &Client,
    params: &Params,
) -> Result<TokenResponse, OAuthError> {
    let permit = Permit::of_client(idp, client);
    let asked = asked_scope(params)?;
    let scope = match &asked {
        None => permit.scope(),
        Some(asked) if asked.is_within(permit.scope()) => asked,
        Some(_) => return Err(scope_refused("This client may not have this scope.")),
    };
    // With no resource named the scope tells it: the first that it belongs to.
    let at = |audience: &&str| !idp.settings.scope_at(scope, audience).is_empty();
    let mut own = client.audiences.iter().map(String::as_str);
    let default = own.clone().find(at).or(own.next());
    let audience = one_audience(params, default)?;
    if !client.audiences.iter().any(|allowed| allowed == audience) {
        return Err(OAuthError::new(
            ErrorCode::InvalidTarget,
            "This client may not have tokens for this resource.",
        ));
    }
    let scope = idp.settings.scope_at(scope, audience);
    if asked.is_some() && scope.is_empty() {
        return Err(scope_refused(
            "Nothing of this scope belongs to the resource.",
        ));
    }
    crate::issue::issue(
        idp,
        Issue {
            client_id: &client.client_id,
            permit: &permit,
            subject: Subject::Client,
            grant_id: None,
            audience,
            scope: Cut {
                answer: scope.clone(),
                token: scope,
            },
            with_email: false,
            not_after: None,
            act: None,
            // RFC 6749 §4.4.3: no refresh token.
            refresh_token: None,
            id_token: None,
            issued_token_type: None,
        },
    )
    .await
}

fn scope_refused(why: &str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidScope, why)
}
