//! The token endpoint (RFC 6749 §3.2): authenticates the client and runs the
//! grant. Each grant type has its own file here, and one line in the table of
//! `settings::grant_types`, from which `dispatch` is made.

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
    dpop,
    error::OAuthError,
    forms::ClientForm,
    settings::{Client, GrantType, grant_types},
    token_binding::TokenBinding,
};

/// The path of the endpoint.
pub const PATH: &str = "/token";

/// `POST /token`.
pub async fn endpoint(
    idp: web::Data<Idp>,
    req: HttpRequest,
    form: ClientForm,
) -> Result<HttpResponse, OAuthError> {
    if let Some(control) = &idp.control {
        control.delay_token().await;
    }
    let AuthenticatedForm {
        client,
        params,
        cause,
    } = AuthenticatedForm::read(&idp, &req, &form).await?;
    let name = params
        .one("grant_type")?
        .ok_or_else(|| OAuthError::request("grant_type is missing."))?;
    let grant = GrantType::named(name).ok_or_else(|| {
        OAuthError::new(
            ErrorCode::UnsupportedGrantType,
            "This grant_type is not supported.",
        )
    })?;
    let issuing = async {
        let binding = TokenBinding::of_request(&idp, (client, cause), &req, PATH).await?;
        dispatch(&idp, client, grant, &params, &binding).await
    };
    let tokens = run_grant(&idp, client, grant, issuing).await?;
    let mut response = HttpResponse::Ok();
    dpop::add_nonce(&idp, &req, &mut response);
    Ok(response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::PRAGMA, "no-cache"))
        .json(tokens))
}

/// Runs a grant for `client`, over HTTP or gRPC: `issuing` runs only if the client may
/// use the grant. The outcome is traced, counted and logged.
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
        Err(error) if is_usual(error.code) => {}
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

/// Whether the error is a normal step of the protocol, which is not logged: a device asks
/// until its user has answered (RFC 8628 §3.5), and the first proof of a client has no nonce
/// (RFC 9449 §8).
const fn is_usual(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::AuthorizationPending | ErrorCode::SlowDown | ErrorCode::UseDpopNonce
    )
}

macro_rules! dispatch {
    ($($(#[$doc:meta])* $grant:ident = $name:expr, $kind:ident, $module:ident::$function:ident;)*) => {
        /// Runs `grant` with the parameters of a form.
        async fn dispatch(
            idp: &Idp,
            client: &Client,
            grant: GrantType,
            params: &Params,
            binding: &TokenBinding,
        ) -> Result<TokenResponse, OAuthError> {
            match grant {
                $(GrantType::$grant => $module::$function(idp, client, params, binding).await,)*
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
