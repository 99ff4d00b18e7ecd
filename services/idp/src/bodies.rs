//! The forms that are posted here, by what they hold. Each has its limit, and is
//! read only where the request's headers and cookies leave anything to find out.

use std::{ops::Deref, pin::Pin};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, dev::Payload, error::InternalError, web::Bytes,
};
use web_kit::body::{Body, BodyError, FORM, is_form};

use crate::{
    cookies, error::OAuthError, params::MAX_PARAMS_LEN, settings::Client, trouble::Trouble,
};

/// What a client sends: tokens, assertions, a pushed request. Refused by the
/// protocol's own errors.
pub struct ClientForm(Bytes);

/// What a browser sends: at most `LIMIT` bytes, and where it `IS_OURS` only from
/// the browser that a form of ours was shown in. Refused by a page.
pub struct BrowserForm<const LIMIT: usize, const IS_OURS: bool>(Bytes);

/// A form of our own pages.
pub type PageForm = BrowserForm<FORM, true>;
/// A logout: an id_token at most.
pub type LogoutForm = BrowserForm<FORM, false>;
/// An authorization request.
pub type AuthorizeForm = BrowserForm<MAX_PARAMS_LEN, false>;

type Reading<T, E> = Pin<Box<dyn Future<Output = Result<T, E>>>>;

impl FromRequest for ClientForm {
    type Error = OAuthError;
    type Future = Reading<Self, OAuthError>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = read(req, payload, MAX_PARAMS_LEN);
        Box::pin(async move { Ok(Self(form.await?)) })
    }
}

impl<const LIMIT: usize, const IS_OURS: bool> FromRequest for BrowserForm<LIMIT, IS_OURS> {
    type Error = InternalError<&'static str>;
    type Future = Reading<Self, Self::Error>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_another = IS_OURS && cookies::read(req, cookies::BROWSER).is_none();
        let form = (!is_another).then(|| read(req, payload, LIMIT));
        let req = req.clone();
        Box::pin(async move {
            let read = match form {
                Some(form) => form.await.map_err(Trouble::from),
                None => Err(Trouble::another_browser()),
            };
            read.map(Self).map_err(|trouble| said(trouble.page(&req)))
        })
    }
}

fn said(page: HttpResponse) -> InternalError<&'static str> {
    InternalError::from_response("a form is refused", page)
}

/// `client` has authenticated. What everybody can say of a public one is no
/// authentication.
pub fn mark_client_authenticated(req: &HttpRequest, client: &Client) {
    if !client.is_public() {
        web_kit::body::mark_client_authenticated(req);
    }
}

/// The body of `req` where it is a form. Whoever takes nothing else says so.
fn read(
    req: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
) -> impl Future<Output = Result<Bytes, BodyError>> + use<> {
    let body = Body::from_request(req, payload).into_inner();
    let is_form = is_form(req.headers());
    async move {
        match body {
            Ok(body) if is_form => body.read(limit).await,
            _ => Ok(Bytes::new()),
        }
    }
}

impl Deref for ClientForm {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const LIMIT: usize, const IS_OURS: bool> Deref for BrowserForm<LIMIT, IS_OURS> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
