//! The authorization endpoint (RFC 6749 §3.1, OIDC Core §3.1.2), in the order of its
//! steps: the client and its redirect URI (`client`), the checks of the request
//! (`checks`), the decision what the browser's login session still lacks (`decide`),
//! the pages for it (`sign_in`, `consent`), and the code (`complete`).

mod answer;
mod checks;
mod client;
mod complete;
mod consent;
mod consent_page;
mod decide;
mod explained;
mod go_on;
mod par;
mod reload;
mod resubmit;
mod session_form;
mod sign_in;

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, cookie::Cookie, http::Method, web};
#[cfg(test)]
pub use checks::MAX_REQUEST;
use checks::check_in_span;
pub use checks::{PROMPTS, RESPONSE_MODE, RESPONSE_TYPE, requested_access};
pub use client::is_registered;
use client::{find_client, find_redirect_uri};
pub use consent::endpoint as consent;
pub use consent_page::{PATH as CONSENT_PATH, consent_groups};
use decide::{Next, decide};
pub use go_on::{CONTINUE_PATH, endpoint as go_on};
use oauth_types::{Params, names::REQUEST_URI_PREFIX};
use par::Pushed;
pub use par::{PATH as PAR_PATH, endpoint as par};
use reload::Answered;
pub use sign_in::{PATH as SIGN_IN_PATH, endpoint as sign_in};
use tracing::Instrument as _;
use web_kit::trace::join_login_trace;

use crate::{
    Idp, budgets, cookies,
    domain::{AuthorizationRequest, AuthorizationSession, LoginSession, SignedIn},
    form_token,
    forms::AuthorizeForm,
    page_error::PageError,
    post_to_get, sessions,
    settings::Client,
    token_binding::TokenBinding,
};

/// The path of the endpoint.
const PATH: &str = "/authorize";
/// How long a resubmitted form gets the same response.
const GRACE: Duration = Duration::from_secs(30);

/// `GET` and `POST /authorize`.
pub async fn endpoint(idp: web::Data<Idp>, req: HttpRequest, form: AuthorizeForm) -> HttpResponse {
    if *req.method() == Method::POST
        && let Ok(params) = form.params()
        && let Some(redirect) = post_to_get::redirect(&req, PATH, params)
    {
        return redirect;
    }
    let handled = match Incoming::read(&idp, &req, &form).await {
        Ok(incoming) => {
            let span = join_login_trace_of(&req, incoming.state());
            incoming.respond(&idp, &req).instrument(span).await
        }
        Err(error) => Err(error),
    };
    handled.unwrap_or_else(|error| error.page(&req))
}

/// An authorization request, as the browser sent it.
enum Incoming<'i> {
    /// A request of this client that has no answer yet.
    Request(&'i Client, IncomingRequest),
    /// A pushed request that has its answer: a page of explain mode was loaded again.
    Answered(Answered),
}

/// The parameters of a request, by the way in which the client sent them.
enum IncomingRequest {
    /// Parameters of this request, which are not checked yet.
    Params(Params),
    /// A request that the client has pushed (RFC 9126). It was checked at that time.
    Pushed(Box<Pushed>),
}

impl<'i> Incoming<'i> {
    async fn read(
        idp: &'i Idp,
        req: &HttpRequest,
        form: &AuthorizeForm,
    ) -> Result<Self, PageError> {
        let params = if req.method() == Method::POST {
            form.params()?
        } else {
            Params::parse(req.query_string().as_bytes(), crate::forms::LIMITS)?
        };
        let client = find_client(&idp.settings, &params)?;
        let request_uri = params.one("request_uri")?;
        // `checks::request_object` refuses any other request_uri.
        let pushed = request_uri.filter(|uri| uri.starts_with(REQUEST_URI_PREFIX));
        let request = match pushed {
            None => IncomingRequest::Params(params),
            Some(request_uri) => {
                let Some(pushed) = par::find(idp, client, request_uri).await? else {
                    let answered = reload::find(idp, req, client, request_uri).await?;
                    return Ok(Self::Answered(answered));
                };
                IncomingRequest::Pushed(Box::new(pushed))
            }
        };
        Ok(Self::Request(client, request))
    }

    fn state(&self) -> Option<&str> {
        match self {
            Self::Request(_, request) => request.state(),
            Self::Answered(answered) => answered.state(),
        }
    }

    async fn respond(self, idp: &Idp, req: &HttpRequest) -> Result<HttpResponse, PageError> {
        match self {
            Self::Answered(answered) => Ok(answered.respond(idp, req)),
            Self::Request(client, request) => {
                match explained::arrived(idp, req, client, &request) {
                    Some(page) => Ok(page),
                    None => authorize(idp, req, client, request).await,
                }
            }
        }
    }
}

impl IncomingRequest {
    fn state(&self) -> Option<&str> {
        match self {
            Self::Params(params) => params.one("state").ok().flatten(),
            Self::Pushed(pushed) => pushed.request.state.as_deref(),
        }
    }
}

async fn authorize(
    idp: &Idp,
    req: &HttpRequest,
    client: &Client,
    incoming: IncomingRequest,
) -> Result<HttpResponse, PageError> {
    let (request, pushed) = match incoming {
        IncomingRequest::Pushed(pushed) => (pushed.request.clone(), Some(pushed)),
        IncomingRequest::Params(params) => {
            let redirect_uri =
                find_redirect_uri(client, &params).map_err(PageError::redirect_uri)?;
            // A browser sends no proof of a key.
            let proven = TokenBinding::BEARER;
            match check_in_span(idp, client, &params, redirect_uri, &proven) {
                Ok(request) => (request, None),
                Err(refusal) => {
                    let state = params.one("state").ok().flatten();
                    return Ok(answer::refuse(idp, req, redirect_uri, state, &refusal));
                }
            }
        }
    };
    let session = sessions::current(idp, req).await?;
    let next = decide(idp, client, &request, session);
    if let (Next::SignIn | Next::Consent(_), Some(pushed)) = (&next, pushed) {
        pushed.open(idp, client, req).await?;
    }
    match next {
        Next::Refuse(refusal) => {
            complete::consume_pushed(idp, &request).await?;
            Ok(answer::refuse_request(idp, req, &request, &refusal))
        }
        Next::Complete(login) => {
            complete::consume_pushed(idp, &request).await?;
            let code = reload::code(idp, &request);
            complete::complete(idp, req, &request, &login, code).await
        }
        Next::Consent(login) => {
            let open = OpenSession::begin(idp, req, request, Some(&login)).await?;
            let request = &open.session.request;
            let page = consent_page::page(idp, client, &open.id, request, &login.sub);
            Ok(cookies::with_cookie(page, &open.cookie))
        }
        Next::SignIn => {
            let open = OpenSession::begin(idp, req, request, None).await?;
            Ok(sign_in::show(client, &open))
        }
    }
}

/// An authorization session whose page is about to be shown.
struct OpenSession {
    id: String,
    session: AuthorizationSession,
    /// Binds the session to the browser.
    cookie: Cookie<'static>,
}

impl OpenSession {
    /// Stores an authorization session, bound to this browser.
    async fn begin(
        idp: &Idp,
        req: &HttpRequest,
        request: AuthorizationRequest,
        login: Option<&LoginSession>,
    ) -> Result<Self, PageError> {
        cookies::none_twice(req)?;
        let (browser, cookie) = form_token::browser(idp, req);
        let id = idp.random.token();
        let mut session = AuthorizationSession {
            request,
            browser: kit::seal::fingerprint(&browser),
            signed_in: login.map(SignedIn::to),
            answered: None,
            expires_at: idp.now() + idp.settings.lifetimes.sign_in,
            charge: None,
        };
        let name = kit::seal::fingerprint(&id);
        let (budget, owner) = (&idp.budgets.requests, budgets::sender(req));
        budgets::keep(&idp.records, budget, owner, &name, &mut session).await?;
        Ok(Self {
            id,
            session,
            cookie,
        })
    }
}

/// A span in the trace of the login that `state` names; without `state`, in the trace of
/// this request.
fn join_login_trace_of(req: &HttpRequest, state: Option<&str>) -> tracing::Span {
    match state {
        Some(state) => join_login_trace(req, state),
        None => web_kit::trace::span_of(req),
    }
}
