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
mod twice;

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
#[cfg(test)]
pub use checks::MAX_REQUEST;
pub use checks::{Refusal, check};
pub use client::{find_redirect_uri, is_registered};
pub use consent::{PATH as CONSENT_PATH, endpoint as consent};
use decide::{Next, decide};
use kit::{
    step,
    telemetry::names::{OK, span},
};
use oauth_types::names::REQUEST_URI_PREFIX;
pub use sign_in::{PATH as SIGN_IN_PATH, endpoint as sign_in};
use tracing::{Instrument as _, field::Empty};
use web_kit::trace::join_login_trace;

use crate::{
    again,
    bodies::AuthorizeForm,
    budgets, cookies,
    domain::{AuthorizationRequest, AuthorizationSession, SignedIn},
    forms,
    par::{self, Pushed},
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
        Ok(Opened { client, asked }) => {
            let span = join_login_trace_of(&req, asked.state());
            authorize(&idp, &req, client, asked).instrument(span).await
        }
        Err(trouble) => Err(trouble),
    };
    handled.unwrap_or_else(|trouble| trouble.page(&req))
}

/// Who asks, and what for.
struct Opened<'i> {
    client: &'i Client,
    asked: Asked,
}

/// A request as it came.
enum Asked {
    /// In its parameters.
    Now(Params),
    /// Pushed before (RFC 9126), and checked then.
    Before(Box<Pushed>),
}

impl Asked {
    fn state(&self) -> Option<&str> {
        match self {
            Self::Now(params) => params.one("state").ok().flatten(),
            Self::Before(pushed) => pushed.request.state.as_deref(),
        }
    }
}

/// The client and what it asks for, pushed before or sent now.
async fn opened<'i>(idp: &'i Idp, req: &HttpRequest, body: &[u8]) -> Result<Opened<'i>, Trouble> {
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
    let asked = match request_uri.filter(|uri| uri.starts_with(REQUEST_URI_PREFIX)) {
        None => Asked::Now(params),
        Some(request_uri) => {
            let pushed = par::pushed(idp, client, request_uri).await?;
            let gone = || Trouble::pushed_request_gone(client);
            Asked::Before(Box::new(pushed.ok_or_else(gone)?))
        }
    };
    Ok(Opened { client, asked })
}

async fn authorize(
    idp: &Idp,
    req: &HttpRequest,
    client: &Client,
    asked: Asked,
) -> Result<HttpResponse, Trouble> {
    let (request, pushed) = match asked {
        Asked::Before(pushed) => (pushed.request.clone(), Some(pushed)),
        Asked::Now(params) => match checked(idp, client, &params)? {
            Ok(request) => (request, None),
            Err(refusal) => {
                let redirect_uri = find_redirect_uri(client, &params);
                let redirect_uri = redirect_uri.map_err(Trouble::redirect_uri)?;
                let state = params.one("state").ok().flatten();
                return Ok(answer::refuse(idp, req, redirect_uri, state, &refusal));
            }
        },
    };
    let session = sessions::current(idp, req).await?;
    let next = decide(idp, client, &request, session);
    if let (Next::SignIn | Next::Consent(_), Some(pushed)) = (&next, pushed) {
        pushed.opened(idp, client, req).await?;
    }
    match next {
        Next::Refuse(refusal) => {
            complete::use_up(idp, &request).await?;
            Ok(answer::refuse_request(idp, req, &request, &refusal))
        }
        Next::Complete(login) => {
            complete::use_up(idp, &request).await?;
            complete::complete(idp, req, &request, &login, idp.random.token()).await
        }
        Next::Consent(login) => {
            let signed_in = Some(SignedIn::to(&login));
            let shown = show(idp, req, request, signed_in).await?;
            Ok(consent::ask(idp, client, &shown, &login))
        }
        Next::SignIn => {
            let shown = show(idp, req, request, None).await?;
            Ok(sign_in::ask(client, &shown))
        }
    }
}

/// The request that `params` make.
fn checked(
    idp: &Idp,
    client: &Client,
    params: &Params,
) -> Result<Result<AuthorizationRequest, Refusal>, Trouble> {
    let redirect_uri = find_redirect_uri(client, params).map_err(Trouble::redirect_uri)?;
    Ok(checked_in_span(idp, client, params, redirect_uri))
}

/// [`check`] as a step of its own in the trace.
pub fn checked_in_span(
    idp: &Idp,
    client: &Client,
    params: &Params,
    redirect_uri: &str,
) -> Result<AuthorizationRequest, Refusal> {
    let step = step!(
        span::AUTHORIZE_CHECK,
        "sso.client_id" = client.client_id,
        "sso.outcome" = Empty
    );
    let checked = step.in_scope(|| check(idp, client, params, redirect_uri));
    let outcome = checked.as_ref().err().map_or(OK, |why| why.code.as_str());
    step.record("sso.outcome", outcome);
    checked
}

/// An authorization session whose page is about to be shown.
struct Shown {
    id: String,
    session: AuthorizationSession,
    /// The cookie that binds it to the browser.
    cookie: actix_web::cookie::Cookie<'static>,
}

/// Saves the authorization session, bound to this browser.
async fn show(
    idp: &Idp,
    req: &HttpRequest,
    request: AuthorizationRequest,
    signed_in: Option<SignedIn>,
) -> Result<Shown, Trouble> {
    cookies::none_twice(req)?;
    let (browser, cookie) = forms::browser(idp, req);
    let id = idp.random.token();
    let mut session = AuthorizationSession {
        request,
        browser: kit::seal::fingerprint(&browser),
        signed_in,
        answered: None,
        expires_at: idp.now() + idp.settings.lifetimes.sign_in,
        charge: None,
    };
    let name = kit::seal::fingerprint(&id);
    let (budget, owner) = (&idp.budgets.requests, budgets::sender(req));
    budgets::keep(&idp.records, budget, owner, &name, &mut session).await?;
    Ok(Shown {
        id,
        session,
        cookie,
    })
}

/// The request's span, in the journey of its `state`; one of its own without.
fn join_login_trace_of(req: &HttpRequest, state: Option<&str>) -> tracing::Span {
    match state {
        Some(state) => join_login_trace(req, state),
        None => web_kit::trace::span_of(req),
    }
}
