//! HEAD is GET without the content (RFC 9110 §9.3.2): routes and guards see a GET, and the
//! response loses its body at the end. A proof of the request names the method as it was
//! sent (RFC 9449 §4.2).

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpMessage as _, HttpRequest,
    body::{BodySize, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::Method,
    web::Bytes,
};

/// Marks a request that was sent as HEAD.
struct SentAsHead;

/// The method of `req` as the client sent it.
pub fn method_as_sent(req: &HttpRequest) -> &str {
    if req.extensions().contains::<SentAsHead>() {
        "HEAD"
    } else {
        req.method().as_str()
    }
}

/// Turns a HEAD request into a GET. Returns whether it was a HEAD request.
pub(crate) fn as_get(req: &mut ServiceRequest) -> bool {
    let is_head = *req.method() == Method::HEAD;
    if is_head {
        req.head_mut().method = Method::GET;
        req.extensions_mut().insert(SentAsHead);
    }
    is_head
}

/// The response without its body if `is_head`; the headers stay those of GET.
/// A body that would never end (an event stream) ends at once.
pub(crate) fn without_body<B: MessageBody>(
    response: ServiceResponse<B>,
    is_head: bool,
) -> ServiceResponse<EitherBody<B, Absent>> {
    if !is_head {
        return response.map_into_left_body();
    }
    response.map_body(|_, body| EitherBody::right(Absent(body.size())))
}

/// A body that is not sent; only its size is known.
pub(crate) struct Absent(BodySize);

impl MessageBody for Absent {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.0
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
}
