//! The cost of a request: bytes of cookies, commands to the store, time to verify
//! cookies. Each response has it in `Server-Timing`.

use std::{
    cell::Cell,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use web_kit::trace;

use crate::cookies;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

tokio::task_local! {
    static VERIFYING: Cell<Duration>;
}

pin_project! {
    /// The future of [`verifying`], which keeps its argument once.
    pub(crate) struct Verifying<F> {
        started: Option<Instant>,
        #[pin]
        work: F,
    }
}

impl<F: Future> Future for Verifying<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let parts = self.project();
        let started = *parts.started.get_or_insert_with(Instant::now);
        let outcome = ready!(parts.work.poll(cx));
        // Fails outside of a request, where nothing is measured.
        let _ = VERIFYING.try_with(|total| total.set(total.get() + started.elapsed()));
        Poll::Ready(outcome)
    }
}

/// Counts the time of `work` as spent on verifying cookies.
pub(crate) const fn verifying<F: Future>(work: F) -> Verifying<F> {
    Verifying {
        started: None,
        work,
    }
}

/// Measures `answering`, the rest of the request, and adds `Server-Timing` to its response.
pub(crate) async fn measured<B: MessageBody>(
    req: ServiceRequest,
    answering: impl AsyncFnOnce(ServiceRequest) -> Result<ServiceResponse<B>, Error>,
) -> Result<ServiceResponse<B>, Error> {
    let bytes = cookies::bytes(req.headers());
    let counted = store::op_count::counted(answering(req));
    let mut working = pin!(VERIFYING.scope(Cell::default(), counted));
    let (answer, commands) = working.as_mut().await;
    let verifying = working.take_value().map(Cell::into_inner);
    let mut answer = answer?;
    trace::span_of(answer.request()).record("sso.store_commands", i64::from(commands));
    // Whole numbers, because formatting a float costs as much as everything else here.
    let micros = verifying.unwrap_or_default().as_micros();
    let timing = format!(
        "cookies;desc=\"{bytes} bytes\", store;desc=\"{commands} commands\", verify;dur={}.{:03}",
        micros / 1000,
        micros % 1000
    );
    if let Ok(value) = HeaderValue::try_from(timing) {
        answer.headers_mut().insert(SERVER_TIMING, value);
    }
    Ok(answer)
}
