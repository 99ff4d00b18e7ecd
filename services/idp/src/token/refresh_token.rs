//! The refresh token grant (RFC 6749 §6), with the audience chosen at each
//! refresh (RFC 8707 §2.2), rotation and reuse detection (RFC 9700 §4.14).

use oauth_types::{ErrorCode, TokenResponse};

use super::{asked_scope, one_audience};
use crate::{
    audit,
    domain::{Grant, GrantState, RefreshVerdict},
    error::OAuthError,
    grants,
    issue::{Issue, Subject, issue},
    params::Params,
    policy::user_may_get_tokens,
    settings::Client,
    state::Idp,
};

/// How often a rotation that another request overtook is judged anew.
const MAX_ATTEMPTS: usize = 8;

pub(super) async fn redeem(
    idp: &Idp,
    client: &Client,
    params: &Params,
) -> Result<TokenResponse, OAuthError> {
    let token = params
        .one("refresh_token")?
        .ok_or_else(|| OAuthError::request("refresh_token is missing."))?;
    let unknown = || OAuthError::grant("The refresh token is unknown, expired or revoked.");
    let (grant_id, generation) = idp.refresh_tokens.read(token).ok_or_else(unknown)?;
    let asked = asked_scope(params)?;
    for _ in 0..MAX_ATTEMPTS {
        let stored = idp
            .records
            .get::<Grant>(grant_id)
            .await?
            .ok_or_else(unknown)?;
        let grant = &stored.record;
        // RFC 6749 §6: bound to the client that it was issued to.
        if grant.client_id != client.client_id || grant.state == GrantState::Revoked {
            return Err(unknown());
        }
        let refresh = grant.refresh.as_ref().ok_or_else(unknown)?;
        if refresh.ends <= idp.now() {
            return Err(unknown());
        }
        let verdict = refresh.judge(generation, idp.now(), idp.settings.lifetimes.refresh_grace);
        if verdict == RefreshVerdict::Reused {
            grants::revoke(idp, grant_id, grant.expires_at).await?;
            audit::refresh_token_reused(&idp.meters, grant);
            return Err(OAuthError::grant(
                "The refresh token was used before; its family is revoked.",
            ));
        }
        // Everything that can be refused is, before anything changes.
        let audience = audience_of(grant, client, params)?;
        let scope = match &asked {
            None => grant.scope.clone(),
            Some(asked) if asked.is_within(&grant.scope) => asked.clone(),
            Some(_) => {
                return Err(OAuthError::new(
                    ErrorCode::InvalidScope,
                    "The scope goes beyond the grant.",
                ));
            }
        };
        let user = user_may_get_tokens(&idp.settings, &grant.sub)?;
        let rotating = async {
            Ok(match verdict {
                RefreshVerdict::Replayed { successor } => Some(successor),
                _ if !client.rotate_refresh_tokens => Some(generation),
                _ => {
                    let rotated = refresh.rotated(idp.now());
                    let next = rotated.generation;
                    let updated = grant.refreshed(rotated, idp.now());
                    let swapped = idp.records.swap(grant_id, &stored, &updated).await?;
                    swapped.then_some(next)
                }
            })
        };
        // At once: the answer is as soon there as with one of the two.
        let (listed, next) = tokio::try_join!(grants::is_listed(idp, grant), rotating)?;
        if !listed {
            grants::revoke(idp, grant_id, grant.expires_at).await?;
            return Err(unknown());
        }
        let Some(next) = next else { continue };
        return issue(
            idp,
            Issue {
                client_id: &client.client_id,
                subject: Subject::User {
                    user,
                    sid: &grant.sid,
                    auth_time: grant.auth_time.secs(),
                    acr: &grant.acr,
                },
                grant_id: Some(grant_id),
                audience,
                scope: idp.settings.scope_at(&scope, audience),
                with_email: grant.scope.contains("email"),
                not_after: None,
                act: None,
                refresh_token: Some(idp.refresh_tokens.token(grant_id, next)),
                id_token: None,
                issued_token_type: None,
            },
        )
        .await;
    }
    Err(OAuthError::new(
        ErrorCode::TemporarilyUnavailable,
        "Too many refreshes of one grant at once.",
    ))
}

/// The audience of the new token; the client's first one that the grant covers
/// where none is named. RFC 8707 §2.2: one outside the grant is refused, never
/// replaced.
fn audience_of<'a>(
    grant: &'a Grant,
    client: &'a Client,
    params: &'a Params,
) -> Result<&'a str, OAuthError> {
    let covered = |audience: &str| grant.audiences.iter().any(|own| own == audience);
    let mut own = client.audiences.iter().map(String::as_str);
    let default = own
        .clone()
        .find(|audience| covered(audience))
        .or(own.next());
    let audience = one_audience(params, default)?;
    if covered(audience) || Some(audience) == default {
        return Ok(audience);
    }
    Err(OAuthError::new(
        ErrorCode::InvalidTarget,
        "This resource is outside the grant.",
    ))
}
