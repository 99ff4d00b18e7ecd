//! Pushed authorization requests (RFC 9126).

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use oauth_types::names::REQUEST_URI_PREFIX;
use serde::Serialize;

use crate::{
    authorize::{check, find_redirect_uri},
    bodies::{self, ClientForm},
    client_auth::authenticate,
    domain::PushedRequest,
    error::OAuthError,
    params::Params,
    records::{RecordError, Stored},
    settings::{Client, GrantType},
    state::Idp,
    token::{authorization, form_params},
};

/// RFC 9126 §2.2.
#[derive(Serialize)]
struct Pushed {
    request_uri: String,
    expires_in: u64,
}

/// `POST /par`: authenticates the client, checks the request as `/authorize`
/// would (RFC 9126 §2.1), and keeps it.
pub async fn endpoint(
    idp: web::Data<Idp>,
    req: HttpRequest,
    body: ClientForm,
) -> Result<HttpResponse, OAuthError> {
    let params = form_params(&req, &body)?;
    let client = authenticate(&idp, authorization(&req)?, &params).await?;
    bodies::client_is_known(&req, client);
    if params.has("request_uri") {
        return Err(OAuthError::request(
            "request_uri is not taken here (RFC 9126 section 2.1).",
        ));
    }
    if !client.may(GrantType::AuthorizationCode) {
        return Err(OAuthError::new(
            oauth_types::ErrorCode::UnauthorizedClient,
            "This client has no authorization code grant.",
        ));
    }
    let uri = find_redirect_uri(client, &params).map_err(OAuthError::request)?;
    check(&idp, client, &params, uri)
        .map_err(|refusal| OAuthError::new(refusal.code, refusal.description))?;
    let id = idp.random.token();
    let now = idp.now();
    let lifetimes = &idp.settings.lifetimes;
    // What no check reads is not kept: it would only fill the store.
    let kept = params
        .into_pairs()
        .into_iter()
        .filter(|(name, _)| KEPT.contains(&name.as_str()));
    let record = PushedRequest {
        client_id: client.client_id.clone(),
        params: kept.collect(),
        usable_until: now + lifetimes.pushed_request,
        expires_at: now + lifetimes.pushed_request + lifetimes.sign_in,
    };
    idp.records
        .put(&kit::seal::fingerprint(&id), &record)
        .await?;
    Ok(HttpResponse::Created()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Pushed {
            request_uri: format!("{REQUEST_URI_PREFIX}{id}"),
            expires_in: lifetimes.pushed_request.as_secs(),
        }))
}

/// The parameters of an authorization request that mean something here.
const KEPT: [&str; 14] = [
    "audience",
    "code_challenge",
    "code_challenge_method",
    "id_token_hint",
    "login_hint",
    "max_age",
    "nonce",
    "prompt",
    "redirect_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// The request that `client` pushed, and the name of its record.
pub async fn pushed(
    idp: &Idp,
    client: &Client,
    request_uri: &str,
) -> Result<Option<(Params, String)>, RecordError> {
    let Some(id) = request_uri.strip_prefix(REQUEST_URI_PREFIX) else {
        return Ok(None);
    };
    let id = kit::seal::fingerprint(id);
    let found: Option<Stored<PushedRequest>> = idp.records.get(&id).await?;
    let usable = found.map(|stored| stored.record).filter(|pushed| {
        // RFC 9126 §2.2: bound to the client that pushed it.
        pushed.client_id == client.client_id && pushed.usable_until > idp.now()
    });
    Ok(usable
        .and_then(|pushed| Params::from_pairs(pushed.params).ok())
        .map(|params| (params, id)))
}
