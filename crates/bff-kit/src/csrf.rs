//! Protection against cross-site request forgery: one guard for all routes except
//! health, metrics and assets.
//!
//! - A request that comes from another origin by `Origin` or `Sec-Fetch-Site` is
//!   refused. Navigations to a page or to an unknown address are allowed.
//! - An unsafe method needs `X-CSRF: 1`, which another site's page can send only
//!   after a preflight that no route answers, or a form token.

use actix_web::{
    Error, HttpResponse, ResponseError as _,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    error::PayloadError,
    http::{
        Method, StatusCode,
        header::{self, Accept, Header as _, HeaderMap, HeaderName},
    },
    middleware::Next,
};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{future::ready, stream};
use kit::{
    config::{Weakness, Weaknesses},
    seal::KEY_LEN,
    telemetry::names::span,
};
use oauth_types::secret::same_secret;
use web_kit::{
    body::{Body, FORM, is_form},
    cookies::duplicate_page,
    problem::Problem,
    trace,
    ui::{Message, Site},
};

use crate::{
    cookies::{self, Cookies},
    params,
    sessions::SessionId,
};

/// The field of a form that holds its token.
pub(crate) const FIELD: &str = "csrf_token";
const X_CSRF: HeaderName = HeaderName::from_static("x-csrf");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const LOGOUT: &str = "/logout";
/// The pages to which any site may navigate.
pub(crate) const PAGES: [&str; 5] = ["/", "/login", "/callback", "/docs", LOGOUT];

/// The guard's key and the app's origin.
pub(crate) struct Csrf {
    key: hmac::Key,
    /// The app's origin as browsers see it.
    origin: String,
    weaknesses: Weaknesses,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// It comes from another origin.
    Foreign,
    /// It has neither the header nor a form token.
    NoProof,
}

impl Csrf {
    /// `origin` is the app's own; the key is derived from `master`.
    pub(crate) fn new(origin: &str, master: &[u8; KEY_LEN], client_id: &str) -> Self {
        let master = hmac::Key::new(hmac::HMAC_SHA256, master);
        let derived = hmac::sign(&master, format!("sso-lab csrf v1 {client_id}").as_bytes());
        let key = hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref());
        Self {
            key,
            origin: origin.to_owned(),
            weaknesses: Weaknesses::default(),
        }
    }

    /// The same without the defences that the lab has switched off.
    pub(crate) fn weakened(self, weaknesses: Weaknesses) -> Self {
        Self { weaknesses, ..self }
    }

    /// The token in the forms of this session's pages.
    pub(crate) fn form_token(&self, session: &SessionId) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, session.handle().as_str().as_bytes()))
    }

    fn is_own(&self, origin: &str, host: &str) -> bool {
        if origin == self.origin {
            return true;
        }
        // A second replica has a port of its own. Its host name is the app's, and the
        // browser sent the request there itself.
        let name = |host: &str| {
            host.rsplit_once(':')
                .map_or(host, |(name, _)| name)
                .to_owned()
        };
        let (scheme, own_host) = self.origin.split_once("://").unwrap_or_default();
        origin == format!("{scheme}://{host}") && name(host) == name(own_host)
    }

    /// `is_page`: any site may navigate to this address. `Ok(true)`: the request is a form
    /// whose token has to be checked.
    fn judge(&self, method: &Method, is_page: bool, headers: &HeaderMap) -> Result<bool, Refusal> {
        let value = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let opens_page = safe && is_page && is_navigation(headers);
        if !opens_page && !self.weaknesses.has(Weakness::NoOriginCheck) {
            if !matches!(value(SEC_FETCH_SITE), None | Some("same-origin" | "none")) {
                return Err(Refusal::Foreign);
            }
            let host = value(header::HOST).unwrap_or_default();
            let foreign = |origin: &header::HeaderValue| {
                !origin
                    .to_str()
                    .is_ok_and(|origin| self.is_own(origin, host))
            };
            if headers.get_all(header::ORIGIN).any(foreign) {
                return Err(Refusal::Foreign);
            }
        }
        let proven = value(X_CSRF) == Some("1") || self.weaknesses.has(Weakness::NoCsrfProof);
        if safe || proven {
            return Ok(false);
        }
        if is_form(headers) {
            Ok(true)
        } else {
            Err(Refusal::NoProof)
        }
    }

    /// Whether a form may pass: by the token of the session that the cookies name, which may
    /// have ended. If not, the answer.
    async fn check_form(&self, site: Site, req: &mut ServiceRequest) -> Result<(), HttpResponse> {
        let cookies = Cookies::in_headers(req.headers());
        let session = cookies.get(cookies::SESSION).and_then(SessionId::read);
        let Some(session) = session else {
            return without_session(site, req, &cookies).map_or(Ok(()), Err);
        };
        let body = req.extract::<Body>().await;
        let body = body.map_err(|error| error.error_response())?;
        let body = body.read(FORM).await;
        let body = body.map_err(|error| error.error_response())?;
        if !self.is_forms_token(&session, &body) {
            return Err(refused(site, req, Refusal::NoProof));
        }
        // The handler reads the form too.
        let again = stream::once(ready(Ok::<_, PayloadError>(body)));
        req.set_payload(Payload::Stream {
            payload: Box::pin(again),
        });
        Ok(())
    }

    fn is_forms_token(&self, session: &SessionId, body: &[u8]) -> bool {
        let form = params::parse(body).ok();
        let sent = form.as_ref().and_then(|form| form.get(FIELD));
        sent.is_some_and(|sent| same_secret(sent, &self.form_token(session)))
    }
}

/// The refusal of a form without a session: it has no form token. A sign-out may pass,
/// because there is nothing to sign out of: a second click comes after the first one's answer
/// has removed the cookies.
fn without_session(
    site: Site,
    req: &ServiceRequest,
    cookies: &Cookies<'_>,
) -> Option<HttpResponse> {
    if let Some(name) = cookies::duplicate(cookies) {
        return Some(duplicate_page(req.request(), site, name));
    }
    let signs_out = req.path() == LOGOUT && req.headers().contains_key(header::ORIGIN);
    (!signs_out).then(|| refused(site, req, Refusal::NoProof))
}

/// Whether the request is a top-level navigation.
fn is_navigation(headers: &HeaderMap) -> bool {
    let is = |name, expected: &str| headers.get(name).is_some_and(|value| value == expected);
    is(SEC_FETCH_MODE, "navigate") && is(SEC_FETCH_DEST, "document")
}

/// The guard before `next`. It refuses with a response and not with an error, because the
/// server adds headers to responses only, and counts only responses.
pub(crate) async fn guard<B: MessageBody + 'static>(
    site: Site,
    csrf: &Csrf,
    mut req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    // A call to an API is no navigation, so its route is not searched twice.
    let is_page = is_navigation(req.headers())
        && (PAGES.contains(&req.path()) || req.match_pattern().is_none());
    let passes = match csrf.judge(req.method(), is_page, req.headers()) {
        Ok(false) => Ok(()),
        Ok(true) => csrf.check_form(site, &mut req).await,
        Err(refusal) => Err(refused(site, &req, refusal)),
    };
    match passes {
        Ok(()) => Ok(next.call(req).await?.map_into_left_body()),
        Err(answer) => Ok(req.into_response(answer.map_into_right_body())),
    }
}

/// A page for a person, problem+json for a script.
fn refused(site: Site, req: &ServiceRequest, refusal: Refusal) -> HttpResponse {
    // The check itself is a part of each request, and a step only where it refuses.
    drop(kit::step!(
        span::FORGERY_CHECK,
        "sso.outcome" = refusal.outcome()
    ));
    let reads_pages = Accept::parse(req).is_ok_and(|accept| {
        accept
            .iter()
            .any(|range| range.item.essence_str() == "text/html")
    });
    if is_navigation(req.headers()) && reads_pages {
        refusal.page(site, trace::id_of(req.request()))
    } else {
        Problem::new(StatusCode::FORBIDDEN, Refusal::TITLE)
            .detail(refusal.sentence())
            .error_response()
    }
}

impl Refusal {
    const TITLE: &str = "Request forgery suspected";

    const fn outcome(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::NoProof => "no_proof",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Foreign => {
                "This request comes from another site. Start from this app's own pages."
            }
            Self::NoProof => {
                "A request that changes something needs the header X-CSRF: 1, or the csrf_token of a form of this session."
            }
        }
    }

    fn page(self, site: Site, trace_id: String) -> HttpResponse {
        Message::new(Self::TITLE, self.sentence())
            .what_to_do("Go to the home page and try it from there.")
            .way("To the home page", "/")
            .trace_id(trace_id)
            .respond(site, StatusCode::FORBIDDEN)
    }
}

#[cfg(test)]
#[path = "csrf_tests.rs"]
mod tests;
