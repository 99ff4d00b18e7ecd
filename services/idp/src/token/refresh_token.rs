//! The refresh token grant (RFC 6749 §6): the audience is chosen at each refresh
//! (RFC 8707 §2.2); tokens rotate, and reuse is detected (RFC 9700 §4.14).

use oauth_types::{ErrorCode, Params, Scope, TokenResponse};

use super::requested_scope;
use crate::{
    Idp,
    domain::{Grant, Refresh, RefreshVerdict},
    error::OAuthError,
    grants,
    issue::{Issue, Subject, issue},
    policy::{Permit, TokenScope},
    presented_token::{PresentedRefresh, refresh_token, unknown},
    records::RecordError,
    settings::Client,
    token_binding::TokenBinding,
};

/// How often a refresh is retried after concurrent rotations.
const MAX_ATTEMPTS: usize = 8;

pub(super) async fn redeem(
    idp: &Idp,
    client: &Client,
    params: &Params,
    binding: &TokenBinding,
) -> Result<TokenResponse, OAuthError> {
    let token = params
        .one("refresh_token")?
        .ok_or_else(|| OAuthError::request("refresh_token is missing."))?;
    let requested = requested_scope(params)?;
    for _ in 0..MAX_ATTEMPTS {
        let presented = refresh_token(idp, client, token).await?;
        let grant = &presented.grant.record;
        // Nothing is changed before every check has passed.
        binding.check_refresh_token(grant)?;
        let permit = Permit::of_grant(idp, client, &grant.into())?.in_order_of(client);
        let allowed = judge(&permit, grant, params, requested.as_ref())?;
        let rotation = rotate(idp, client, &presented, allowed.refresh);
        // A grant that revocation could not find is refused. The check runs beside the
        // rotation, so that the response does not wait for two round trips.
        let (listed, generation) = tokio::try_join!(grants::is_listed(idp, grant), rotation)?;
        if !listed {
            grants::revoke(idp, &grant.id, grant.expires_at).await?;
            return Err(unknown());
        }
        if let Some(generation) = generation {
            let token = idp.refresh_tokens.token(&grant.id, generation);
            return issue_tokens(idp, grant, &permit, allowed, token, binding).await;
        }
    }
    Err(OAuthError::new(
        ErrorCode::TemporarilyUnavailable,
        "Too many concurrent refreshes of one grant.",
    ))
}

/// What a refresh issues.
struct Allowed<'a> {
    refresh: &'a Refresh,
    audience: &'a str,
    scope: TokenScope,
}

/// Checks the requested audience and scope against `permit`.
fn judge<'a>(
    permit: &'a Permit<'_>,
    grant: &'a Grant,
    params: &'a Params,
    requested: Option<&Scope>,
) -> Result<Allowed<'a>, OAuthError> {
    let offline = permit.scope().contains("offline_access");
    let refresh = grant.refresh.as_ref().filter(|_| offline);
    let refresh = refresh.ok_or_else(|| {
        OAuthError::grant("This client may no longer have access while the user is offline.")
    })?;
    let audience = permit.audience(params)?;
    Ok(Allowed {
        refresh,
        audience,
        scope: permit.scope_for(requested, audience)?,
    })
}

/// Rotates the refresh token. Returns the generation to issue; `None` if a
/// concurrent request has changed the grant.
async fn rotate(
    idp: &Idp,
    client: &Client,
    presented: &PresentedRefresh,
    refresh: &Refresh,
) -> Result<Option<u32>, RecordError> {
    match presented.verdict {
        RefreshVerdict::Repeated { successor } => return Ok(Some(successor)),
        _ if !client.rotate_refresh_tokens => return Ok(Some(presented.generation)),
        _ => {}
    }
    let grant = &presented.grant.record;
    let rotated = refresh.rotated(idp.now());
    let next = rotated.generation;
    let updated = grant.refreshed(rotated, idp.now());
    let swapped = idp
        .records
        .swap(&grant.id, &presented.grant, &updated)
        .await?;
    Ok(swapped.then_some(next))
}

async fn issue_tokens(
    idp: &Idp,
    grant: &Grant,
    permit: &Permit<'_>,
    allowed: Allowed<'_>,
    refresh_token: String,
    binding: &TokenBinding,
) -> Result<TokenResponse, OAuthError> {
    issue(
        idp,
        Issue {
            client_id: &grant.client_id,
            binding,
            permit,
            subject: Subject::User {
                sid: &grant.sid,
                auth_time: grant.auth_time.secs(),
                acr: &grant.acr,
            },
            grant_id: Some(&grant.id),
            audience: allowed.audience,
            scope: allowed.scope,
            with_email: permit.scope().contains("email"),
            refresh_token: Some(refresh_token),
            id_token: None,
            exchanged: None,
        },
    )
    .await
}
