//! A response body that keeps its request in flight until the server has taken all
//! of it, and that the server takes in pieces.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{
    body::{BodySize, MessageBody},
    web::Bytes,
};
use kit::admission::InFlight;
use pin_project_lite::pin_project;

/// The most bytes that the server takes at once. It copies them into the connection's
/// buffer, and takes more while that has less than 32 KiB. Of a file, which is part of the
/// program, a client that reads slowly holds about 48 KiB; a page that was made for it lives
/// until its last piece is taken.
const PIECE: usize = 16 * 1024;

pin_project! {
    /// A response body and the guard of its request.
    pub(crate) struct ResponseBody<B> {
        #[pin]
        body: B,
        // What is left of the body's last chunk.
        rest: Bytes,
        _in_flight: Option<InFlight>,
    }
}

impl<B> ResponseBody<B> {
    pub(crate) const fn new(body: B, in_flight: Option<InFlight>) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            _in_flight: in_flight,
        }
    }
}

impl<B: MessageBody> MessageBody for ResponseBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        if this.rest.is_empty() {
            match ready!(this.body.poll_next(cx)) {
                Some(Ok(chunk)) if chunk.len() > PIECE => *this.rest = chunk,
                other => return Poll::Ready(other),
            }
        }
        let piece = this.rest.split_to(PIECE.min(this.rest.len()));
        Poll::Ready(Some(Ok(piece)))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[actix_web::test]
    async fn a_large_body_is_taken_in_pieces_and_a_small_one_at_once() {
        for size in [0, 1, PIECE, PIECE + 1, 10 * PIECE, 1_000_001] {
            let whole: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let body = ResponseBody::new(Bytes::from(whole.clone()), None);
            assert_eq!(body.size(), BodySize::Sized(size as u64));
            let mut body = std::pin::pin!(body);
            let (mut taken, mut pieces) = (Vec::new(), 0);
            while let Some(piece) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
                let piece = piece.unwrap();
                assert!(piece.len() <= PIECE, "{}", piece.len());
                taken.extend_from_slice(&piece);
                pieces += 1;
            }
            assert_eq!((taken == whole, pieces), (true, size.div_ceil(PIECE)));
        }
    }
}
