//! Grant management for clients without sessions of their own (after the FAPI
//! Grant Management draft): a client lists and ends the grants of one user, in all
//! browsers. The client proves which user by a refresh token. An access token is
//! no proof: every API that received one could present it.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use kit::clock::Timestamp;
use oauth_types::Params;
use serde::Serialize;

use crate::{
    Idp, audit, client_auth::AuthenticatedForm, domain::Grant, error::OAuthError,
    forms::ClientForm, grants, presented_token::refresh_token, session_index, sessions,
    settings::Client,
};

/// Lists them.
pub const LIST_PATH: &str = "/grants";
/// Ends one.
pub const END_PATH: &str = "/grants/end";

/// How many grants are listed, in the order of their ends.
const MAX_LISTED: usize = 100;

/// A grant, as its client sees it. Times are seconds since the epoch.
#[derive(Serialize)]
struct Listed {
    id: String,
    created_at: i64,
    /// When its refresh token was last redeemed.
    last_used_at: Option<i64>,
    /// The browser that it was given in, while its login session is live.
    user_agent: Option<String>,
    /// Whether the presented token belongs to it.
    current: bool,
}

/// `POST /grants` with `token`, a refresh token: lists the live grants of its user
/// to the client.
pub async fn list(
    idp: web::Data<Idp>,
    req: HttpRequest,
    form: ClientForm,
) -> Result<HttpResponse, OAuthError> {
    let AuthenticatedForm { client, params, .. } =
        AuthenticatedForm::read(&idp, &req, &form).await?;
    let current = presented_grant(&idp, client, &params).await?;
    let ids =
        session_index::grants_of_user(&idp, &client.client_id, &current.sub, MAX_LISTED).await?;
    let mut listed = Vec::new();
    for id in &ids {
        let Some(grant) = grants::active(&idp, id).await? else {
            continue;
        };
        let login = sessions::live(&idp, &grant.sid).await?;
        listed.push(Listed {
            current: grant.id == current.id,
            created_at: grant.created_at.secs(),
            last_used_at: grant.last_used_at.map(Timestamp::secs),
            user_agent: login.and_then(|login| login.user_agent),
            id: grant.id,
        });
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(listed))
}

/// `POST /grants/end` with `token` and `id`: ends that grant of the token's
/// user to the client.
pub async fn end(
    idp: web::Data<Idp>,
    req: HttpRequest,
    form: ClientForm,
) -> Result<HttpResponse, OAuthError> {
    let AuthenticatedForm { client, params, .. } =
        AuthenticatedForm::read(&idp, &req, &form).await?;
    let current = presented_grant(&idp, client, &params).await?;
    let id = params
        .one("id")?
        .ok_or_else(|| OAuthError::request("id is missing."))?;
    let own = |grant: &Grant| grant.client_id == current.client_id && grant.sub == current.sub;
    let grant = grants::active(&idp, id).await?.filter(own);
    let grant = grant.ok_or_else(|| {
        OAuthError::grant("This user has given this client no grant with this id.")
    })?;
    if let Some(grant) = grants::revoke(&idp, &grant.id, grant.expires_at).await? {
        audit::grant_revoked_by_client(&idp.meters, &grant);
    }
    Ok(HttpResponse::NoContent()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish())
}

/// The live grant of `client` whose refresh token is in `params`.
async fn presented_grant(idp: &Idp, client: &Client, params: &Params) -> Result<Grant, OAuthError> {
    let token = params
        .one("token")?
        .ok_or_else(|| OAuthError::request("token is missing: the client's refresh token."))?;
    Ok(refresh_token(idp, client, token).await?.grant.record)
}
