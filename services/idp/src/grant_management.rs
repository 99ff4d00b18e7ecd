//! What a client with no sessions of its own can know and end: the grants that
//! its user gave it, in each browser (after the FAPI Grant Management draft).
//! The client shows whose by its refresh token: an access token was sent to an
//! API, which could send it on.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use kit::clock::Timestamp;
use serde::Serialize;
use web_kit::client::client_addr;

use crate::{
    audit,
    bodies::{self, ClientForm},
    client_auth::authenticate,
    domain::Grant,
    error::OAuthError,
    grants,
    params::Params,
    presented::refresh_token,
    sessions::{self, index},
    settings::Client,
    state::Idp,
    token::{authorization, form_params},
};

/// Lists them.
pub const LIST_PATH: &str = "/grants";
/// Ends one.
pub const END_PATH: &str = "/grants/end";

/// How many are listed, those that end first before the others.
const MAX_LISTED: usize = 100;

/// A grant, as its client sees it. Times are seconds since the epoch.
#[derive(Serialize)]
struct Listed {
    id: String,
    created_at: i64,
    /// When its refresh token was last redeemed.
    last_used_at: Option<i64>,
    /// The browser that it was given in, while its login session lives.
    user_agent: Option<String>,
    /// Whether the token that was sent belongs to it.
    current: bool,
}

/// `POST /grants` with `token`, a refresh token: the live grants of
/// its user to the client.
pub async fn list(
    idp: web::Data<Idp>,
    req: HttpRequest,
    body: ClientForm,
) -> Result<HttpResponse, OAuthError> {
    let params = form_params(&req, &body)?;
    let client = authenticate(&idp, authorization(&req)?, client_addr(&req), &params).await?;
    bodies::mark_client_authenticated(&req, client);
    let current = grant_shown(&idp, client, &params).await?;
    let ids = index::grants_of_user(&idp, &client.client_id, &current.sub, MAX_LISTED).await?;
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
    body: ClientForm,
) -> Result<HttpResponse, OAuthError> {
    let params = form_params(&req, &body)?;
    let client = authenticate(&idp, authorization(&req)?, client_addr(&req), &params).await?;
    bodies::mark_client_authenticated(&req, client);
    let current = grant_shown(&idp, client, &params).await?;
    let id = params
        .one("id")?
        .ok_or_else(|| OAuthError::request("id is missing."))?;
    let own = |grant: &Grant| grant.client_id == current.client_id && grant.sub == current.sub;
    let grant = grants::active(&idp, id).await?.filter(own);
    let grant = grant
        .ok_or_else(|| OAuthError::grant("This user gave this client no grant with this id."))?;
    if let Some(grant) = grants::revoke(&idp, &grant.id, grant.expires_at).await? {
        audit::grant_revoked_by_client(&idp.meters, &grant);
    }
    Ok(HttpResponse::NoContent()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish())
}

/// The live grant of `client` whose refresh token `params` show.
async fn grant_shown(idp: &Idp, client: &Client, params: &Params) -> Result<Grant, OAuthError> {
    let token = params
        .one("token")?
        .ok_or_else(|| OAuthError::request("token is missing: the client's refresh token."))?;
    Ok(refresh_token(idp, client, token).await?.grant.record)
}
