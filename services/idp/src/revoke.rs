//! Token revocation (RFC 7009).
//!
//! A refresh token and an access token are revoked with their grant: all access
//! tokens of the grant die with it, at userinfo and at token exchange (§2.1
//! leaves an access token's grant to us). Resource servers that check tokens by
//! themselves take them until they expire (§3).

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use oauth_types::ErrorCode;
use web_kit::client::client_addr;

use crate::{
    audit,
    bodies::{self, ClientForm},
    client_auth::authenticate,
    domain::{Grant, RefreshVerdict},
    error::OAuthError,
    grants,
    presented::{Presented, PresentedAccess, Worthless, end_family, presented},
    settings::Client,
    state::Idp,
    token::{authorization, form_params},
};

/// `POST /revoke`. `token_type_hint` only speeds a search up (§2.1), and there
/// is none to do: each token says what it is.
pub async fn endpoint(
    idp: web::Data<Idp>,
    req: HttpRequest,
    body: ClientForm,
) -> Result<HttpResponse, OAuthError> {
    let params = form_params(&req, &body)?;
    let client = authenticate(&idp, authorization(&req)?, client_addr(&req), &params).await?;
    bodies::mark_client_authenticated(&req, client);
    let token = params
        .one("token")?
        .ok_or_else(|| OAuthError::request("token is missing (RFC 7009 section 2.1)."))?;
    revoke(&idp, client, token).await?;
    // §2.2: an unknown token is as good as a revoked one.
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
                return end_family(idp, &grant).await;
            }
            grant
        }
        Ok(Presented::Access(access)) => grant_of(client, access)?,
        Ok(Presented::IdToken) => {
            return Err(unsupported("An id_token gives access to nothing."));
        }
        Err(Worthless::Unknown(_) | Worthless::Over) => return Ok(()),
        Err(Worthless::Records(error)) => return Err(error.into()),
    };
    if let Some(grant) = grants::revoke(idp, &grant.id, grant.expires_at).await? {
        audit::grant_revoked_by_client(&idp.meters, &grant);
    }
    Ok(())
}

/// The grant that an access token of `client` ends with.
fn grant_of(client: &Client, access: PresentedAccess) -> Result<Grant, OAuthError> {
    let unsupported = |why: &str| OAuthError::new(ErrorCode::UnsupportedTokenType, why);
    let PresentedAccess { claims, grant } = access;
    if claims.client_id != client.client_id {
        return Err(another_clients());
    }
    if claims.act.is_some() {
        let why = "An exchanged token ends with the token that it came from.";
        return Err(unsupported(why));
    }
    let why = "Nobody granted this token: it ends by itself.";
    of_this_client(client, grant.ok_or_else(|| unsupported(why))?)
}

/// §2.1: one that was issued to another client is refused, and this one told.
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
