//! Forms that endpoints receive. The body is read last: after what headers and
//! cookies refuse already, and within the limit of its kind.

use std::pin::Pin;

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, dev::Payload, error::InternalError, web::Bytes,
};
use oauth_types::params::{BadParams, Limits, Params};
use web_kit::body::{Body, BodyError, FORM, is_form};

use crate::{cookies, error::OAuthError, page_error::PageError};

/// Limits on the parameters of a request.
pub const LIMITS: Limits = Limits {
    bytes: 16 * 1024,
    count: 64,
};

/// A form that a client sends, with tokens, assertions or a pushed request.
/// Errors are those of the protocol.
pub struct ClientForm(FormBody);

/// A form of at most `LIMIT` bytes that a browser sends. An `OWN` form is read
/// only from a browser that one of this site's forms was shown in. Errors are
/// pages.
pub struct BrowserForm<const LIMIT: usize, const OWN: bool>(FormBody);

/// A form of this site's pages.
pub type PageForm = BrowserForm<FORM, true>;
/// A logout request: its longest parameter is an id_token.
pub type LogoutForm = BrowserForm<FORM, false>;
/// An authorization request.
pub type AuthorizeForm = BrowserForm<{ LIMITS.bytes }, false>;

/// A body, read only if its Content-Type is a form's.
struct FormBody(Option<Bytes>);

/// Why a body has no parameters.
#[derive(Debug, thiserror::Error)]
enum FormError {
    #[error("The body must be application/x-www-form-urlencoded.")]
    ContentType,
    #[error("The body is not UTF-8.")]
    Encoding,
    #[error(transparent)]
    Params(#[from] BadParams),
}

impl FormBody {
    /// RFC 6749 §4.1.3: no other format is accepted.
    fn params(&self) -> Result<Params, FormError> {
        let body = self.0.as_deref().ok_or(FormError::ContentType)?;
        std::str::from_utf8(body).map_err(|_| FormError::Encoding)?;
        Ok(Params::parse(body, LIMITS)?)
    }

    fn read(
        req: &HttpRequest,
        payload: &mut Payload,
        limit: usize,
    ) -> impl Future<Output = Result<Self, BodyError>> + use<> {
        let body = Body::from_request(req, payload).into_inner();
        let is_form = is_form(req.headers());
        async move {
            Ok(Self(match body {
                Ok(body) if is_form => Some(body.read(limit).await?),
                _ => None,
            }))
        }
    }
}

impl ClientForm {
    /// Its parameters.
    pub fn params(&self) -> Result<Params, OAuthError> {
        let params = self.0.params();
        params.map_err(|error| OAuthError::request(error.to_string()))
    }

    /// Its parameters where the body is a form, which is optional.
    pub fn optional_params(&self) -> Result<Option<Params>, BadParams> {
        match self.0.params() {
            Ok(params) => Ok(Some(params)),
            Err(FormError::Params(error)) => Err(error),
            Err(FormError::ContentType | FormError::Encoding) => Ok(None),
        }
    }
}

impl<const LIMIT: usize, const OWN: bool> BrowserForm<LIMIT, OWN> {
    /// Its parameters.
    pub fn params(&self) -> Result<Params, PageError> {
        let params = self.0.params();
        params.map_err(|error| PageError::request(error.to_string()))
    }
}

type Reading<T, E> = Pin<Box<dyn Future<Output = Result<T, E>>>>;

impl FromRequest for ClientForm {
    type Error = OAuthError;
    type Future = Reading<Self, OAuthError>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = FormBody::read(req, payload, LIMITS.bytes);
        Box::pin(async move { Ok(Self(body.await?)) })
    }
}

impl<const LIMIT: usize, const OWN: bool> FromRequest for BrowserForm<LIMIT, OWN> {
    type Error = InternalError<&'static str>;
    type Future = Reading<Self, Self::Error>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_foreign = OWN && cookies::read(req, cookies::BROWSER).is_none();
        let body = (!is_foreign).then(|| FormBody::read(req, payload, LIMIT));
        let req = req.clone();
        Box::pin(async move {
            let read = match body {
                Some(body) => body.await.map_err(PageError::from),
                // Two cookies count as none: the page then names the cookie.
                None => Err(cookies::none_twice(&req)
                    .err()
                    .unwrap_or_else(PageError::another_browser)),
            };
            read.map(Self).map_err(|error| page(error.page(&req)))
        })
    }
}

fn page(response: HttpResponse) -> InternalError<&'static str> {
    InternalError::from_response("the form is refused", response)
}
