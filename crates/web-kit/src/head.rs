//! HEAD is GET without the content (RFC 9110 §9.3.2): what routes and guards
//! is told that it is a GET, and the answer loses its body on the way out.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::Method,
    web::Bytes,
};

/// Makes a HEAD request a GET; whether it was one.
pub(crate) fn as_get(req: &mut ServiceRequest) -> bool {
    let is_head = *req.method() == Method::HEAD;
    if is_head {
        req.head_mut().method = Method::GET;
    }
    is_head
}

/// The answer without its body where that `is_head`'s; its headers stay as GET's are.
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

/// A body that is not sent; only its size is told.
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
