//! The token endpoint (RFC 6749 §3.2): authenticates the client and dispatches.
//! Each grant is a file of its own.

mod authorization_code;
mod client_credentials;
mod exchange;
mod refresh_token;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
pub use exchange::{ExchangeRequest, exchange};
use kit::{
    step,
    telemetry::names::{OK, span},
};
use oauth_types::{ErrorCode, Scope, TokenResponse, error::sentence};
use tracing::{Instrument as _, field::Empty};
use web_kit::client::client_addr;

use crate::{
    bodies::{self, ClientForm},
    client_auth::authenticate,
    error::OAuthError,
    params::Params,
    settings::{Client, GrantType},
    state::Idp,
};

/// `POST /token`.
pub async fn endpoint(
    idp: web::Data<Idp>,
    req: HttpRequest,
    body: ClientForm,
) -> Result<HttpResponse, OAuthError> {
    let params = form_params(&req, &body)?;
    let client = authenticate(&idp, authorization(&req)?, client_addr(&req), &params).await?;
    bodies::mark_client_authenticated(&req, client);
    let name = params
        .one("grant_type")?
        .ok_or_else(|| OAuthError::request("grant_type is missing."))?;
    let grant = GrantType::named(name).ok_or_else(|| {
        OAuthError::new(
            ErrorCode::UnsupportedGrantType,
            "This grant_type is not known here.",
        )
    })?;
    let response = granted(&idp, client, grant, dispatch(&idp, client, grant, &params)).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::PRAGMA, "no-cache"))
        .json(response))
}

/// Runs a grant for `client`, over HTTP or gRPC: whether it may, its span, its
/// line in the log.
pub async fn granted(
    idp: &Idp,
    client: &Client,
    grant: GrantType,
    issued: impl Future<Output = Result<TokenResponse, OAuthError>>,
) -> Result<TokenResponse, OAuthError> {
    let name = grant.as_str();
    let span = step!(
        span::GRANT,
        "sso.grant" = name,
        "sso.client_id" = client.client_id,
        "sso.outcome" = Empty
    );
    let judged = async {
        if client.may(grant) {
            return issued.await;
        }
        let why = format!("This client may not use the grant {name}.");
        Err(OAuthError::new(ErrorCode::UnauthorizedClient, why))
    };
    let judged = judged.instrument(span.clone()).await;
    let outcome = judged
        .as_ref()
        .err()
        .map_or(OK, |error| error.code.as_str());
    span.record("sso.outcome", outcome);
    idp.meters.token_requests.add(&[name, outcome]);
    match &judged {
        Ok(_) => tracing::info!(client = client.client_id, grant = name, "tokens issued"),
        Err(error) => {
            let (code, why) = (error.code.as_str(), sentence(&error.description));
            tracing::info!(
                client = client.client_id,
                grant = name,
                code,
                "refused: {why}"
            );
        }
    }
    judged
}

async fn dispatch(
    idp: &Idp,
    client: &Client,
    grant: GrantType,
    params: &Params,
) -> Result<TokenResponse, OAuthError> {
    match grant {
        GrantType::AuthorizationCode => authorization_code::redeem(idp, client, params).await,
        GrantType::RefreshToken => refresh_token::redeem(idp, client, params).await,
        GrantType::ClientCredentials => client_credentials::issue(idp, client, params).await,
        GrantType::TokenExchange => {
            exchange(idp, client, &ExchangeRequest::from_params(params)?).await
        }
    }
}

/// Whether a Content-Type names a form.
pub fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The parameters of a form body; RFC 6749 §4.1.3 takes no other.
pub fn form_params(req: &HttpRequest, body: &[u8]) -> Result<Params, OAuthError> {
    let content_type = req
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(is_form) {
        return Err(OAuthError::request(
            "The body must be application/x-www-form-urlencoded.",
        ));
    }
    let text =
        std::str::from_utf8(body).map_err(|_| OAuthError::request("The body is not UTF-8."))?;
    Ok(Params::parse(text)?)
}

/// The Authorization header; two of them are none.
pub fn authorization(req: &HttpRequest) -> Result<Option<&str>, OAuthError> {
    let mut headers = req.headers().get_all(header::AUTHORIZATION);
    let first = headers.next();
    if headers.next().is_some() {
        return Err(OAuthError::request("More than one Authorization header."));
    }
    let text = first.map(|value| value.to_str());
    text.transpose()
        .map_err(|_| OAuthError::request("The Authorization header is not ASCII."))
}

/// The scope that a request asks for, where it does.
fn asked_scope(params: &Params) -> Result<Option<Scope>, OAuthError> {
    let parse = |text: &str| {
        text.parse::<Scope>()
            .map_err(|e| OAuthError::new(ErrorCode::InvalidScope, e.to_string()))
    };
    params.one("scope")?.map(parse).transpose()
}

/// The one audience that a request asks for: `fallback` where it names none.
/// A token here has one audience, so naming two is refused (RFC 8707 §2.2).
pub fn one_audience<'a>(
    params: &'a Params,
    fallback: Option<&'a str>,
) -> Result<&'a str, OAuthError> {
    match params.resources()[..] {
        [] => fallback.ok_or_else(|| {
            OAuthError::new(
                ErrorCode::InvalidTarget,
                "Name the resource that the token is for.",
            )
        }),
        [one] => Ok(one),
        _ => Err(OAuthError::new(
            ErrorCode::InvalidTarget,
            "An access token has one audience: name one resource (RFC 8707 section 2.2).",
        )),
    }
}
