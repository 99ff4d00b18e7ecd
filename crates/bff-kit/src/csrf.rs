//! No other site makes a signed-in browser do something here. One guard for
//! all routes but health, metrics and assets:
//!
//! - What `Origin` or `Sec-Fetch-Site` shows to come from another site or a
//!   sibling is refused. A page that a person navigates to is the exception.
//! - An unsafe method needs `X-CSRF: 1`, which no other site's page can send
//!   without a preflight that nobody here answers, or a form's own token.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    error::PayloadError,
    http::{
        Method, StatusCode,
        header::{self, HeaderMap},
    },
    middleware::Next,
    web,
};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{future::ready, stream};
use kit::seal::KEY_LEN;
use oauth_types::secret::same_secret;
use web_kit::problem::Problem;

use crate::{cookies, params::Params, sessions::SessionId};

/// The field of a form that holds its token.
pub(crate) const FIELD: &str = "csrf_token";
/// The pages that a person can navigate to, from wherever.
pub(crate) const PAGES: [&str; 4] = ["/", "/login", "/callback", "/docs"];

/// The guard's key and who we are.
pub(crate) struct Csrf {
    key: hmac::Key,
    /// Our origin as browsers see it.
    origin: String,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// It comes from somewhere else.
    Foreign,
    /// It neither has the header nor is a form of ours.
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
        }
    }

    /// What the forms of this session's pages send back.
    pub(crate) fn form_token(&self, session: &SessionId) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, session.fingerprint().as_bytes()))
    }

    fn is_own(&self, origin: &str, host: &str) -> bool {
        if origin == self.origin {
            return true;
        }
        // A second replica is reached at a port of its own. Our host name then
        // still says whose it is, and the browser sent the request there itself.
        let name = |host: &str| {
            host.rsplit_once(':')
                .map_or(host, |(name, _)| name)
                .to_owned()
        };
        let (scheme, own_host) = self.origin.split_once("://").unwrap_or_default();
        origin == format!("{scheme}://{host}") && name(host) == name(own_host)
    }

    /// `Ok(true)`: the form's token has yet to be checked.
    fn judge(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<bool, Refusal> {
        let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let navigation = value("sec-fetch-mode") == Some("navigate")
            && value("sec-fetch-dest") == Some("document");
        let opens_page = safe && navigation && PAGES.contains(&path);
        if !opens_page {
            if !matches!(value("sec-fetch-site"), None | Some("same-origin" | "none")) {
                return Err(Refusal::Foreign);
            }
            let host = value("host").unwrap_or_default();
            let foreign = |origin: &header::HeaderValue| {
                !origin
                    .to_str()
                    .is_ok_and(|origin| self.is_own(origin, host))
            };
            if headers.get_all(header::ORIGIN).any(foreign) {
                return Err(Refusal::Foreign);
            }
        }
        if safe || value("x-csrf") == Some("1") {
            return Ok(false);
        }
        if is_form(headers) {
            Ok(true)
        } else {
            Err(Refusal::NoProof)
        }
    }

    fn is_forms_token(&self, req: &ServiceRequest, body: &[u8]) -> bool {
        let session = cookies::read(req.request(), cookies::SESSION);
        let session = session.as_deref().and_then(SessionId::read);
        let form = Params::read(body).ok();
        let sent = form.as_ref().and_then(|form| form.get(FIELD));
        match (session, sent) {
            (Some(session), Some(sent)) => same_secret(sent, &self.form_token(&session)),
            _ => false,
        }
    }
}

/// Whether the body is a form's.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = kind
        .and_then(|kind| kind.split(';').next())
        .unwrap_or_default();
    essence
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The guard, as a middleware.
pub(crate) async fn guard<B: MessageBody + 'static>(
    csrf: web::Data<Csrf>,
    mut req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let judged = csrf.judge(req.method(), req.path(), req.headers());
    if judged.map_err(Problem::from)? {
        let body = req.extract::<web::Bytes>().await?;
        if !csrf.is_forms_token(&req, &body) {
            return Err(Problem::from(Refusal::NoProof).into());
        }
        // The handler reads the same form again.
        let again = stream::once(ready(Ok::<_, PayloadError>(body)));
        req.set_payload(Payload::Stream {
            payload: Box::pin(again),
        });
    }
    next.call(req).await
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let problem = Self::new(StatusCode::FORBIDDEN, "Request forgery suspected");
        problem.detail(match refusal {
            Refusal::Foreign => "This request comes from another site. Start from this app's own pages.",
            Refusal::NoProof => {
                "A request that changes something needs the header X-CSRF: 1, or the csrf_token of a form of this session."
            }
        })
    }
}

#[cfg(test)]
#[path = "csrf_tests.rs"]
mod tests;
