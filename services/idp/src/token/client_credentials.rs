//! The client credentials grant (RFC 6749 §4.4): no user is involved.

use oauth_types::{ErrorCode, TokenResponse};

use super::{asked_scope, one_audience};
use crate::{
    error::OAuthError,
    issue::{Issue, Subject},
    params::Params,
    settings::Client,
    state::Idp,
};

pub(super) async fn issue(
    idp: &Idp,
    client: &Client,
    params: &Params,
) -> Result<TokenResponse, OAuthError> {
    let audience = one_audience(params, client.audiences.first().map(String::as_str))?;
    if !client.audiences.iter().any(|allowed| allowed == audience) {
        return Err(OAuthError::new(
            ErrorCode::InvalidTarget,
            "This client may not have tokens for this resource.",
        ));
    }
    let allowed = idp.settings.scopes_of(client);
    let scope = match asked_scope(params)? {
        None => allowed,
        Some(asked) if asked.is_within(&allowed) => asked,
        Some(_) => {
            return Err(OAuthError::new(
                ErrorCode::InvalidScope,
                "This client may not have this scope.",
            ));
        }
    };
    crate::issue::issue(
        idp,
        Issue {
            client_id: &client.client_id,
            subject: Subject::Client,
            grant_id: None,
            audience,
            scope: idp.settings.scope_at(&scope, audience),
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
