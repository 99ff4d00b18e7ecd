//! The refresh token grant (RFC 6749 §6), with the audience chosen at each
//! refresh (RFC 8707 §2.2), rotation and reuse detection (RFC 9700 §4.14).

use oauth_types::{ErrorCode, TokenResponse};

use super::asked_scope;
use crate::{
    domain::RefreshVerdict,
    error::OAuthError,
    grants,
    issue::{Issue, Subject, issue},
    params::Params,
    policy::Permit,
    presented::{PresentedRefresh, refresh_token, unknown},
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
    let asked = asked_scope(params)?;
    for _ in 0..MAX_ATTEMPTS {
        let presented = refresh_token(idp, client, token).await?;
        let PresentedRefresh {
            grant: stored,
            generation,
            verdict,
        } = &presented;
        let grant = &stored.record;
        // Everything that can be refused is, before anything changes.
        let permit = Permit::of_grant(idp, client, &grant.into())?.in_order_of(client);
        let offline = permit.scope().contains("offline_access");
        let refresh = grant.refresh.as_ref().filter(|_| offline);
        let refresh = refresh.ok_or_else(|| {
            OAuthError::grant("This client may no longer keep access while the user is away.")
        })?;
        let audience = permit.audience(params)?;
        let scope = permit.cut(asked.as_ref(), audience)?;
        let rotating = async {
            Ok(match verdict {
                RefreshVerdict::Replayed { successor } => Some(*successor),
                _ if !client.rotate_refresh_tokens => Some(*generation),
                _ => {
                    let rotated = refresh.rotated(idp.now());
                    let next = rotated.generation;
                    let updated = grant.refreshed(rotated, idp.now());
                    let swapped = idp.records.swap(&grant.id, stored, &updated).await?;
                    swapped.then_some(next)
                }
            })
        };
        // At once: the answer is as soon there as with one of the two.
        let (listed, next) = tokio::try_join!(grants::is_listed(idp, grant), rotating)?;
        if !listed {
            grants::revoke(idp, &grant.id, grant.expires_at).await?;
            return Err(unknown());
        }
        let Some(next) = next else { continue };
        return issue(
            idp,
            Issue {
                client_id: &client.client_id,
                permit: &permit,
                subject: Subject::User {
                    sid: &grant.sid,
                    auth_time: grant.auth_time.secs(),
                    acr: &grant.acr,
                },
                grant_id: Some(&grant.id),
                audience,
                scope,
                with_email: permit.scope().contains("email"),
                not_after: None,
                act: None,
                refresh_token: Some(idp.refresh_tokens.token(&grant.id, next)),
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
