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
    error::OAuthError,
    grants,
    issue::grant_of,
    settings::Client,
    state::Idp,
    token::{authorization, form_params},
    tokens_of_ours,
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
    bodies::client_is_known(&req, client);
    let token = params
        .one("token")?
        .ok_or_else(|| OAuthError::request("token is missing (RFC 7009 section 2.1)."))?;
    if let Some(grant_id) = grant_named(&idp, client, token)? {
        revoke(&idp, client, &grant_id).await?;
    }
    // §2.2: an unknown token is as good as a revoked one.
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish())
}

/// The grant of a token; none where it is no token of ours, or over.
fn grant_named(idp: &Idp, client: &Client, token: &str) -> Result<Option<String>, OAuthError> {
    let unsupported = |why: &str| OAuthError::new(ErrorCode::UnsupportedTokenType, why);
    if let Some((grant_id, _)) = idp.refresh_tokens.read(token) {
        return Ok(Some(grant_id.to_owned()));
    }
    if let Ok(claims) = tokens_of_ours::access_token(idp, token) {
        if claims.client_id != client.client_id {
            return Err(another_clients());
        }
        if claims.act.is_some() {
            let why = "An exchanged token ends with the token that it came from.";
            return Err(unsupported(why));
        }
        let grant = grant_of(&claims.jti).map(str::to_owned);
        let why = "Nobody granted this token: it ends by itself.";
        return grant.map(Some).ok_or_else(|| unsupported(why));
    }
    if tokens_of_ours::id_token_hint(idp, token).is_ok() {
        return Err(unsupported("An id_token gives access to nothing."));
    }
    Ok(None)
}

async fn revoke(idp: &Idp, client: &Client, grant_id: &str) -> Result<(), OAuthError> {
    let Some(grant) = grants::active(idp, grant_id).await? else {
        return Ok(());
    };
    // §2.1: one that was issued to another client is refused, and this one told.
    if grant.client_id != client.client_id {
        return Err(another_clients());
    }
    if let Some(grant) = grants::revoke(idp, grant_id, grant.expires_at).await? {
        audit::grant_revoked_by_client(&idp.meters, &grant);
    }
    Ok(())
}

fn another_clients() -> OAuthError {
    OAuthError::grant("The token was issued to another client.")
}
