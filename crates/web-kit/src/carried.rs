//! What a journey's request and its response carry, for the request's span
//! (`kit::telemetry::items`). Outside a journey there is nothing of this.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use actix_web::{
    HttpMessage as _, HttpRequest,
    body::{BodySize, BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderMap, HeaderName, HeaderValue},
};
use kit::{
    journey::{COOKIE, Journey, JourneyKeys},
    telemetry::items::{Items, MAX_JSON, Place},
};
use tracing::Span;

use crate::{
    content_type::is_json,
    cookies::Cookies,
    journey::{CONTINUE_COOKIE, asking::ASKED_COOKIE},
};

const DPOP: HeaderName = HeaderName::from_static("dpop");
/// The headers that bring a credential in place of an access token.
const OTHER_CREDENTIALS: [&str; 2] = ["x-api-key", "x-identity"];

/// The items of a request, which its body adds to when it is read.
#[derive(Clone)]
pub(crate) struct Carried {
    keys: Arc<JourneyKeys>,
    journey: Journey,
    request: Rc<RefCell<Items>>,
}

impl Carried {
    /// Begins with what the head of `req` carries.
    pub(crate) fn of(req: &ServiceRequest, keys: Arc<JourneyKeys>, journey: Journey) -> Self {
        let mut items = Items::new(Arc::clone(&keys), journey);
        items.parameters(Place::Query, req.query_string().as_bytes());
        if let Some(value) = text(req.headers().get(header::AUTHORIZATION)) {
            items.authorization(value);
        }
        if let Some(proof) = text(req.headers().get(DPOP)) {
            items.value(Place::Header, "DPoP", proof);
        }
        for name in OTHER_CREDENTIALS {
            if let Some(value) = text(req.headers().get(name)) {
                items.value(Place::Header, name, value);
            }
        }
        let cookies = Cookies::in_headers(req.headers());
        let labs_own = [COOKIE, CONTINUE_COOKIE, ASKED_COOKIE];
        for (name, value) in cookies.all().filter(|(name, _)| !labs_own.contains(name)) {
            items.cookie(name, value);
        }
        let carried = Self {
            keys,
            journey,
            request: Rc::new(RefCell::new(items)),
        };
        req.extensions_mut().insert(carried.clone());
        carried
    }

    /// The items of the request `req`, if it is part of a journey.
    pub(crate) fn of_request(req: &HttpRequest) -> Option<Self> {
        req.extensions().get::<Self>().cloned()
    }

    /// Adds the form that was read.
    pub(crate) fn form(&self, body: &[u8]) {
        self.request.borrow_mut().parameters(Place::Form, body);
    }

    /// Records everything on `span`. A JSON body that is whole is read, and put back.
    pub(crate) fn record<B: MessageBody + 'static>(
        &self,
        span: &Span,
        response: ServiceResponse<EitherBody<B, BoxBody>>,
    ) -> ServiceResponse<EitherBody<B, BoxBody>> {
        self.request.borrow().record_request(span);
        let mut items = Items::new(Arc::clone(&self.keys), self.journey);
        if let Some(location) = text(response.headers().get(header::LOCATION)) {
            items.location(location);
        }
        let set = response.headers().get_all(header::SET_COOKIE);
        for line in set.filter_map(|line| text(Some(line))) {
            items.set_cookie(line);
        }
        let response = if is_read(response.headers(), response.response().body().size()) {
            response.map_body(|_, body| match body.try_into_bytes() {
                Ok(bytes) => {
                    items.json(&bytes);
                    EitherBody::right(BoxBody::new(bytes))
                }
                Err(body) => body,
            })
        } else {
            response
        };
        items.record_response(span);
        response
    }
}

fn is_read(headers: &HeaderMap, size: BodySize) -> bool {
    let fits = matches!(size, BodySize::Sized(size) if size <= MAX_JSON as u64);
    fits && is_json(headers)
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value.and_then(|value| value.to_str().ok())
}
