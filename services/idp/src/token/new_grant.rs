//! A new grant of a user and its first tokens. It begins in a login session that is live.

use oauth_types::TokenResponse;

use crate::{
    Idp,
    domain::{Grant, GrantState, LoginSession, Refresh},
    error::OAuthError,
    grants::{self, quota},
    issue::{IdToken, Issue, Subject, issue},
    policy::{Granted, Permit, TokenScope},
    records::ChangeError,
    session_index, sessions,
    settings::{Client, GrantType},
    token_binding::TokenBinding,
};

/// What the first tokens of a grant are for.
pub(super) struct FirstTokens<'a> {
    /// The audience of the access token.
    pub audience: &'a str,
    /// Its scope.
    pub scope: TokenScope,
    /// `nonce` of the authorization request, for the id_token.
    pub nonce: Option<&'a str>,
    /// The key that the access token is bound to.
    pub binding: &'a TokenBinding,
}

/// The grant `id` of what the user of `login` granted to `client`.
pub(super) fn of(
    idp: &Idp,
    client: &Client,
    id: String,
    granted: &Granted<'_>,
    login: &LoginSession,
    binding: &TokenBinding,
) -> Grant {
    let now = idp.now();
    let refreshes = client.may(GrantType::RefreshToken) && granted.scope.contains("offline_access");
    let refresh = refreshes.then(|| refresh_token(idp, client, login));
    let last_issue = refresh.as_ref().map_or(now, |refresh| refresh.ends);
    Grant {
        id,
        client_id: client.client_id.clone(),
        sub: login.sub.clone(),
        sid: login.sid.clone(),
        auth_time: login.auth_time,
        acr: login.acr.clone(),
        scope: granted.scope.clone(),
        audiences: granted.audiences.to_vec(),
        state: GrantState::Active,
        refresh,
        expires_at: last_issue + idp.settings.lifetimes.access_token,
        created_at: now,
        last_used_at: None,
        bound_to: binding.of_refresh_token(client),
        code: None,
    }
}

fn refresh_token(idp: &Idp, client: &Client, login: &LoginSession) -> Refresh {
    let ends = idp.now() + idp.settings.lifetimes.refresh_token;
    Refresh::until(if client.refresh_ends_with_session {
        ends.min(login.expires_at)
    } else {
        ends
    })
}

/// Begins `grant` in `login` and issues its first tokens.
pub(super) async fn begin(
    idp: &Idp,
    client: &Client,
    permit: &Permit<'_>,
    grant: &Grant,
    login: &LoginSession,
    first: FirstTokens<'_>,
) -> Result<TokenResponse, OAuthError> {
    store(idp, grant, login).await?;
    let refresh = grant.refresh.as_ref();
    let id_token = permit.scope().contains("openid").then_some(IdToken {
        nonce: first.nonce,
        algorithm: client.id_token_alg,
        amr: &login.amr,
    });
    issue(
        idp,
        Issue {
            client_id: &client.client_id,
            binding: first.binding,
            permit,
            subject: Subject::of_login(login),
            grant_id: Some(&grant.id),
            audience: first.audience,
            scope: first.scope,
            with_email: permit.scope().contains("email"),
            refresh_token: refresh.map(|r| idp.refresh_tokens.token(&grant.id, r.generation)),
            id_token,
            exchanged: None,
        },
    )
    .await
}

/// Stores `grant`.
///
/// The grant is added to the session first, and the session is checked last. Whoever
/// ends the session marks it first and reads its grants last. So one of the two sees
/// the other, and no grant outlives its session.
async fn store(idp: &Idp, grant: &Grant, login: &LoginSession) -> Result<(), ChangeError> {
    let counts = session_index::add_grant(idp, grant, login.expires_at).await?;
    // A concurrent second use of the code has left a revoked grant here.
    if !idp.records.create(&grant.id, grant).await? {
        return Err(ChangeError::Ended);
    }
    if sessions::live(idp, &grant.sid).await?.is_none() {
        grants::revoke(idp, &grant.id, grant.expires_at).await?;
        return Err(ChangeError::Ended);
    }
    if let Err(error) = quota::end_surplus(idp, grant, counts).await {
        // The client has its grant; the next one ends the surplus.
        tracing::warn!("a user's surplus grants are not revoked yet: {error}");
    }
    Ok(())
}
