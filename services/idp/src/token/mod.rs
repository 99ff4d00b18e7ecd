//! The token endpoint (RFC 6749 §3.2): authenticates the client and runs the
//! grant. Each grant type has its own file.

mod authorization_code;
mod client_credentials;
mod device_code;
mod exchange;
mod jwt_bearer;
mod new_grant;
mod refresh_token;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
pub use exchange::{ForeignKeys, exchange};
use kit::{
    step,
    telemetry::names::{OK, span},
};
use oauth_types::{ErrorCode, Params, Scope, TokenResponse, error::sentence};
use tracing::{Instrument as _, field::Empty};

use crate::{
    Idp,
    client_auth::AuthenticatedForm,
    error::OAuthError,
    forms::ClientForm,
    settings::{Client, GrantType, grant_types},
};

/// `POST /token`.
pub async fn endpoint(
    idp: web::Data<Idp>,
    req: HttpRequest,
    form: ClientForm,
) -> Result<HttpResponse, OAuthError> {
    let AuthenticatedForm { client, params } = AuthenticatedForm::read(&idp, &req, &form).await?;
    let name = params
        .one("grant_type")?
        .ok_or_else(|| OAuthError::request("grant_type is missing."))?;
    let grant = GrantType::named(name).ok_or_else(|| {
        OAuthError::new(
            ErrorCode::UnsupportedGrantType,
            "This grant_type is not supported.",
        )
    })?;
    let response = run_grant(&idp, client, grant, dispatch(&idp, client, grant, &params)).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::PRAGMA, "no-cache"))
        .json(response))
}

/// Runs a grant for `client`, over HTTP or gRPC, if the client may use it. The
/// outcome is traced, counted and logged.
pub async fn run_grant(
    idp: &Idp,
    client: &Client,
    grant: GrantType,
    issuing: impl Future<Output = Result<TokenResponse, OAuthError>>,
) -> Result<TokenResponse, OAuthError> {
    let name = grant.as_str();
    let span = step!(
        span::GRANT,
        "sso.grant" = name,
        "sso.client_id" = client.client_id,
        "sso.outcome" = Empty
    );
    let result = async {
        if client.may(grant) {
            return issuing.await;
        }
        let why = format!("This client may not use the grant {name}.");
        Err(OAuthError::new(ErrorCode::UnauthorizedClient, why))
    };
    let result = result.instrument(span.clone()).await;
    let outcome = result
        .as_ref()
        .err()
        .map_or(OK, |error| error.code.as_str());
    span.record("sso.outcome", outcome);
    idp.meters.token_requests.add(&[name, outcome]);
    match &result {
        Ok(_) => tracing::info!(client = client.client_id, grant = name, "tokens issued"),
        // A device asks until its user has answered: that is no line each time.
        Err(error) if is_waiting(error.code) => {}
        Err(error) => {
            let (code, why) = (error.code.as_str(), sentence(&error.description));
            tracing::info!(
                client = client.client_id,
                grant = name,
                code,
                "token request refused: {why}"
            );
        }
    }
    result
}

/// RFC 8628 §3.5.
const fn is_waiting(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::AuthorizationPending | ErrorCode::SlowDown)
}

macro_rules! dispatch {
    ($($(#[$doc:meta])* $grant:ident = $name:expr, $kind:ident, $module:ident::$function:ident;)*) => {
        /// Runs `grant` with the parameters of a form.
        async fn dispatch(
            idp: &Idp,
            client: &Client,
            grant: GrantType,
            params: &Params,
        ) -> Result<TokenResponse, OAuthError> {
            match grant {
                $(GrantType::$grant => $module::$function(idp, client, params).await,)*
            }
        }
    };
}

grant_types!(dispatch);

/// The scope that a request names.
fn requested_scope(params: &Params) -> Result<Option<Scope>, OAuthError> {
    let parse = |text: &str| {
        text.parse::<Scope>()
            .map_err(|e| OAuthError::new(ErrorCode::InvalidScope, e.to_string()))
    };
    params.one("scope")?.map(parse).transpose()
}
