//! Token revocation (RFC 7009).
//!
//! Revoking a refresh token or an access token revokes its grant (§2.1 leaves
//! this to the server for access tokens). Userinfo and token exchange then refuse
//! every access token of the grant. Resource servers that validate tokens
//! themselves accept them until they expire (§3).
//!
//! An opaque access token has a record of its own. So it can also be revoked where it
//! has no grant, or where its client got it by an exchange: the token alone ends.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use oauth_types::ErrorCode;

use crate::{
    Idp, audit,
    client_auth::AuthenticatedForm,
    domain::{Grant, RefreshVerdict},
    error::OAuthError,
    forms::ClientForm,
    grants, opaque_tokens,
    presented_token::{InvalidToken, Presented, PresentedAccess, presented, revoke_family},
    settings::Client,
    token_id::is_exchanged,
};

/// `POST /revoke`. `token_type_hint` only speeds up a search (§2.1). The format of
/// a token tells its type here, so there is nothing to search.
pub async fn endpoint(
    idp: web::Data<Idp>,
    req: HttpRequest,
    form: ClientForm,
) -> Result<HttpResponse, OAuthError> {
    let AuthenticatedForm { client, params, .. } =
        AuthenticatedForm::read(&idp, &req, &form).await?;
    let token = params
        .one("token")?
        .ok_or_else(|| OAuthError::request("token is missing (RFC 7009 section 2.1)."))?;
    revoke(&idp, client, token).await?;
    // §2.2: an unknown token counts as revoked.
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish())
}

async fn revoke(idp: &Idp, client: &Client, token: &str) -> Result<(), OAuthError> {
    let unsupported = |why: &str| OAuthError::new(ErrorCode::UnsupportedTokenType, why);
    let grant = match presented(idp, token).await {
        Ok(Presented::Refresh(refresh)) => {
            let grant = of_this_client(client, refresh.grant.record)?;
            if refresh.verdict == RefreshVerdict::Reused {
                return revoke_family(idp, &grant).await;
            }
            grant
        }
        Ok(Presented::Access(access)) => {
            check_client(client, &access)?;
            if let Some(record) = &access.opaque {
                opaque_tokens::end(idp, record, &access.claims).await?;
                audit::opaque_token_revoked(client, &access.claims);
                if access.grant.is_none() || is_exchanged(&access.claims) {
                    return Ok(());
                }
            }
            grant_of(client, access)?
        }
        Ok(Presented::IdToken) => {
            return Err(unsupported("An id_token cannot be revoked."));
        }
        Err(InvalidToken::Unknown(_) | InvalidToken::GrantEnded) => return Ok(()),
        Err(InvalidToken::Records(error)) => return Err(error.into()),
    };
    if let Some(grant) = grants::revoke(idp, &grant.id, grant.expires_at).await? {
        audit::grant_revoked_by_client(&idp.meters, &grant);
    }
    Ok(())
}

/// §2.1: the access token was issued to `client`.
fn check_client(client: &Client, access: &PresentedAccess) -> Result<(), OAuthError> {
    if access.claims.client_id == client.client_id {
        Ok(())
    } else {
        Err(another_clients())
    }
}

/// The grant of an access token of `client`.
fn grant_of(client: &Client, access: PresentedAccess) -> Result<Grant, OAuthError> {
    let unsupported = |why: &str| OAuthError::new(ErrorCode::UnsupportedTokenType, why);
    let PresentedAccess { claims, grant, .. } = access;
    if is_exchanged(&claims) {
        let why = "An exchanged token is revoked with the grant that it stems from; without a grant it expires.";
        return Err(unsupported(why));
    }
    let why = "A token without a grant (client credentials, JWT bearer) cannot be revoked.";
    of_this_client(client, grant.ok_or_else(|| unsupported(why))?)
}

/// §2.1: a token that was issued to another client is refused with an error.
fn of_this_client(client: &Client, grant: Grant) -> Result<Grant, OAuthError> {
    if grant.client_id == client.client_id {
        Ok(grant)
    } else {
        Err(another_clients())
    }
}

fn another_clients() -> OAuthError {
    OAuthError::grant("The token was issued to another client.")
}
