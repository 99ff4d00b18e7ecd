//! The authorization endpoint (RFC 6749 §3.1, OIDC Core §3.1.2), read top to
//! bottom: who asks and where the answer may go, an ordered list of checks,
//! what the browser's session decides, and the code.

mod answer;
mod checks;
mod client;
mod complete;
mod consent;
mod decide;
mod sign_in;

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
pub use checks::{Refusal, check};
pub use client::find_redirect_uri;
pub use consent::{PATH as CONSENT_PATH, endpoint as consent};
use decide::{Next, decide};
use kit::{
    step,
    telemetry::names::{OK, span},
};
use oauth_types::names::REQUEST_URI_PREFIX;
pub use sign_in::{PATH as SIGN_IN_PATH, endpoint as sign_in};
use tracing::{Instrument as _, field::Empty};
use web_kit::trace::join_journey;

use crate::{
    again,
    bodies::AuthorizeForm,
    domain::{AuthorizationRequest, AuthorizationSession},
    forms, par,
    params::Params,
    sessions,
    settings::Client,
    state::Idp,
    token::form_params,
    trouble::Trouble,
};

/// Where it is.
const PATH: &str = "/authorize";

/// `GET` and `POST /authorize`.
pub async fn endpoint(idp: web::Data<Idp>, req: HttpRequest, body: AuthorizeForm) -> HttpResponse {
    if *req.method() == Method::POST
        && let Ok(params) = form_params(&req, &body)
        && let Some(again) = again::as_get(&req, PATH, params)
    {
        return again;
    }
    let handled = match opened(&idp, &req, &body).await {
        Ok((client, params, pushed)) => {
            let span = join_journey_of(&req, params.one("state").ok().flatten());
            authorize(&idp, &req, client, params, pushed)
                .instrument(span)
                .await
        }
        Err(trouble) => Err(trouble),
    };
    handled.unwrap_or_else(|trouble| trouble.page(&req))
}

/// The client and the parameters, pushed before or sent now.
async fn opened<'i>(
    idp: &'i Idp,
    req: &HttpRequest,
    body: &[u8],
) -> Result<(&'i Client, Params, Option<String>), Trouble> {
    let params = if req.method() == Method::POST {
        form_params(req, body).map_err(|e| Trouble::request(e.description))?
    } else {
        Params::parse(req.query_string()).map_err(|e| Trouble::request(e.to_string()))?
    };
    let client = client::find(&idp.settings, &params)?;
    let request_uri = params
        .one("request_uri")
        .map_err(|e| Trouble::request(e.to_string()))?;
    // One that was never pushed is refused by its check, like a request object.
    let Some(request_uri) = request_uri.filter(|uri| uri.starts_with(REQUEST_URI_PREFIX)) else {
        return Ok((client, params, None));
    };
    let (params, id) = par::pushed(idp, client, request_uri)
        .await?
        .ok_or_else(|| Trouble::pushed_request_gone(client))?;
    Ok((client, params, Some(id)))
}

async fn authorize(
    idp: &Idp,
    req: &HttpRequest,
    client: &Client,
    params: Params,
    pushed: Option<String>,
) -> Result<HttpResponse, Trouble> {
    let redirect_uri = find_redirect_uri(client, &params).map_err(Trouble::redirect_uri)?;
    let step = step!(
        span::AUTHORIZE_CHECK,
        "sso.client_id" = client.client_id,
        "sso.outcome" = Empty
    );
    let checked = step.in_scope(|| check(idp, client, &params, redirect_uri));
    let outcome = checked.as_ref().err().map_or(OK, |why| why.code.as_str());
    step.record("sso.outcome", outcome);
    drop(step);
    let mut request = match checked {
        Ok(request) => request,
        Err(refusal) => {
            let state = params.one("state").ok().flatten();
            return Ok(answer::refuse(idp, req, redirect_uri, state, &refusal));
        }
    };
    request.pushed = pushed;
    let session = sessions::current(idp, req).await?;
    match decide(idp, client, &request, session) {
        Next::Refuse(refusal) => {
            complete::use_up(idp, &request).await?;
            Ok(answer::refuse_request(idp, req, &request, &refusal))
        }
        Next::Complete(login) => {
            complete::use_up(idp, &request).await?;
            complete::complete(idp, req, &request, &login).await
        }
        Next::Consent(login) => {
            let opened = open(idp, req, request).await?;
            consent::ask(idp, client, opened, &login).await
        }
        Next::SignIn => {
            let opened = open(idp, req, request).await?;
            Ok(sign_in::ask(client, &opened))
        }
    }
}

/// An authorization session whose page is about to be shown.
struct Opened {
    id: String,
    session: AuthorizationSession,
    /// The cookie that binds it to the browser.
    cookie: actix_web::cookie::Cookie<'static>,
}

/// Saves the authorization session, bound to this browser.
async fn open(
    idp: &Idp,
    req: &HttpRequest,
    request: AuthorizationRequest,
) -> Result<Opened, Trouble> {
    let (browser, cookie) = forms::browser(idp, req);
    let id = idp.random.token();
    let session = AuthorizationSession {
        request,
        browser: kit::seal::fingerprint(&browser),
        signed_in: None,
        expires_at: idp.now() + idp.settings.lifetimes.sign_in,
    };
    idp.records
        .put(&kit::seal::fingerprint(&id), &session)
        .await?;
    Ok(Opened {
        id,
        session,
        cookie,
    })
}

/// The request's span, in the journey of its `state`; one of its own without.
fn join_journey_of(req: &HttpRequest, state: Option<&str>) -> tracing::Span {
    match state {
        Some(state) => join_journey(req, state),
        None => web_kit::trace::span_of(req),
    }
}
