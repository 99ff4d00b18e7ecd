//! The grant of a redeemed code: created in its login session if that is live.

use crate::{
    Idp,
    domain::{Authorized, Grant, GrantState, LoginSession, Refresh},
    grants::{self, quota},
    records::ChangeError,
    session_index, sessions,
    settings::{Client, GrantType},
};

/// The grant `id` that `authorized` gives to `client`.
pub(super) fn of_code(idp: &Idp, client: &Client, id: &str, authorized: &Authorized) -> Grant {
    let Authorized { request, login } = authorized;
    let now = idp.now();
    let refreshes = client.may(GrantType::RefreshToken) && request.scope.contains("offline_access");
    let refresh = refreshes.then(|| refresh_token(idp, client, login));
    let last_issue = refresh.as_ref().map_or(now, |refresh| refresh.ends);
    Grant {
        id: id.to_owned(),
        client_id: client.client_id.clone(),
        sub: login.sub.clone(),
        sid: login.sid.clone(),
        auth_time: login.auth_time,
        acr: login.acr.clone(),
        scope: request.scope.clone(),
        audiences: request.audiences.clone(),
        state: GrantState::Active,
        refresh,
        expires_at: last_issue + idp.settings.lifetimes.access_token,
        created_at: now,
        last_used_at: None,
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

/// Begins `grant` in `login`.
///
/// The grant is added to the session first, and the session is checked last. Whoever
/// ends the session marks it first and reads its grants last. So one of the two sees
/// the other, and no grant outlives its session.
pub(super) async fn begin(
    idp: &Idp,
    grant: &Grant,
    login: &LoginSession,
) -> Result<(), ChangeError> {
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
