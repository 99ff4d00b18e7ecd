//! An answer's body, which keeps its request under way until all of it was
//! handed to the server.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, MessageBody},
    web::Bytes,
};
use kit::admission::UnderWay;
use pin_project_lite::pin_project;

pin_project! {
    /// The body, and its request.
    pub(crate) struct Answer<B> {
        #[pin]
        body: B,
        _under_way: Option<UnderWay>,
    }
}

impl<B> Answer<B> {
    pub(crate) const fn new(body: B, under_way: Option<UnderWay>) -> Self {
        Self {
            body,
            _under_way: under_way,
        }
    }
}

impl<B: MessageBody> MessageBody for Answer<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.project().body.poll_next(cx)
    }
}
