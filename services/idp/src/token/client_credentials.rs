//! The client credentials grant (RFC 6749 §4.4): no user is involved.

use oauth_types::{ErrorCode, Params, Scope, TokenResponse};

use super::requested_scope;
use crate::{
    Idp,
    error::OAuthError,
    issue::{Issue, Subject},
    policy::{Permit, TokenScope},
    settings::Client,
    token_binding::TokenBinding,
};

pub(super) async fn issue(
    idp: &Idp,
    client: &Client,
    params: &Params,
    binding: &TokenBinding,
) -> Result<TokenResponse, OAuthError> {
    let permit = Permit::of_client(idp, client);
    let target = Target::read(idp, client, &permit, params)?;
    target.issue(idp, client, Subject::Client, binding).await
}

/// What a client asks for that gets a token without a user's consent.
pub(super) struct Target<'a> {
    permit: &'a Permit<'a>,
    audience: &'a str,
    scope: Scope,
}

impl<'a> Target<'a> {
    /// The audience and the scope that `params` name, within `permit`.
    pub(super) fn read(
        idp: &Idp,
        client: &'a Client,
        permit: &'a Permit<'_>,
        params: &'a Params,
    ) -> Result<Self, OAuthError> {
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
        Ok(Self {
            permit,
            audience,
            scope,
        })
    }

    /// Issues the token for `subject` to `client`.
    pub(super) async fn issue(
        self,
        idp: &Idp,
        client: &Client,
        subject: Subject<'_>,
        binding: &TokenBinding,
    ) -> Result<TokenResponse, OAuthError> {
        let issue = Issue {
            client_id: &client.client_id,
            binding,
            permit: self.permit,
            subject,
            grant_id: None,
            audience: self.audience,
            scope: TokenScope::same(self.scope),
            with_email: false,
            // RFC 6749 §4.4.3, RFC 7521 §4.1: no refresh token.
            refresh_token: None,
            id_token: None,
            exchanged: None,
        };
        crate::issue::issue(idp, issue).await
    }
}

fn scope_refused(why: &str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidScope, why)
}
