//! The device authorization endpoint (RFC 8628 §3.1).

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use kit::{step, telemetry::names::span};
use oauth_types::ErrorCode;
use serde::Serialize;
use tracing::Instrument as _;

use super::{
    codes::{UserCode, device_code},
    link,
};
use crate::{
    Idp, authorize, budgets,
    client_auth::AuthenticatedForm,
    domain::DeviceAuthorization,
    error::OAuthError,
    forms::ClientForm,
    settings::{Client, GrantType},
};

/// Where it is.
pub const PATH: &str = "/device_authorization";
/// How often a user code is drawn that another device has.
const MAX_DRAWS: usize = 8;

/// RFC 8628 §3.2.
#[derive(Serialize)]
struct Answer {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    expires_in: u64,
    interval: u64,
}

/// `POST /device_authorization`.
pub async fn endpoint(
    idp: web::Data<Idp>,
    req: HttpRequest,
    form: ClientForm,
) -> Result<HttpResponse, OAuthError> {
    let AuthenticatedForm { client, params, .. } =
        AuthenticatedForm::read(&idp, &req, &form).await?;
    if !client.may(GrantType::DeviceCode) {
        let why = "This client may not use the device authorization grant.";
        return Err(OAuthError::new(ErrorCode::UnauthorizedClient, why));
    }
    let requested = authorize::requested_access(&idp, client, &params)?;
    let secret = idp.random.token();
    let mut device = DeviceAuthorization::pending(
        &client.client_id,
        &secret,
        requested,
        idp.device.interval,
        idp.now() + idp.device.code_lifetime,
    );
    if !budgets::fits(&device) {
        return Err(OAuthError::request("The request is too large."));
    }
    let span = step!(span::DEVICE_AUTHORIZE, "sso.client_id" = client.client_id);
    let (id, code) = keep(&idp, &req, client, &mut device)
        .instrument(span)
        .await?;
    tracing::info!(client = client.client_id, "a device waits for a user");
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Answer {
            device_code: device_code(&id, &secret),
            user_code: code.to_string(),
            verification_uri: idp.endpoint(link::PATH),
            verification_uri_complete: idp.endpoint(&link::path(Some(&code))),
            expires_in: idp.device.code_lifetime.as_secs(),
            interval: device.interval(),
        }))
}

/// Stores `device` under a user code that no other device has.
async fn keep(
    idp: &Idp,
    req: &HttpRequest,
    client: &Client,
    device: &mut DeviceAuthorization,
) -> Result<(String, UserCode), OAuthError> {
    let (budget, owner) = (idp.budgets.of_client(client), budgets::owner(client, req));
    for _ in 0..MAX_DRAWS {
        let code = UserCode::random(&*idp.random);
        let id = idp.user_codes.id(&code);
        if budgets::keep_new(&idp.records, budget, owner.clone(), &id, device).await? {
            return Ok((id, code));
        }
    }
    Err(OAuthError::new(
        ErrorCode::TemporarilyUnavailable,
        "Too many devices wait for users. Try again.",
    ))
}
