//! The cost of a request: bytes of cookies, commands to the store, time to verify
//! cookies. Each response has it in `Server-Timing`.

use std::{cell::Cell, time::Duration};

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
};
use tokio::time::Instant;
use web_kit::trace;

use crate::cookies;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

tokio::task_local! {
    static VERIFYING: Cell<Duration>;
}

/// Counts the time of `work` as spent on verifying cookies.
pub(crate) async fn verifying<F: Future>(work: F) -> F::Output {
    let started = Instant::now();
    let outcome = work.await;
    // Fails outside of a request, where nothing is measured.
    let _ = VERIFYING.try_with(|total| total.set(total.get() + started.elapsed()));
    outcome
}

/// Measures `answering`, the rest of the request, and adds `Server-Timing` to its response.
pub(crate) async fn measured<B: MessageBody>(
    req: ServiceRequest,
    answering: impl AsyncFnOnce(ServiceRequest) -> Result<ServiceResponse<B>, Error>,
) -> Result<ServiceResponse<B>, Error> {
    let bytes = cookies::bytes(req.headers());
    let answering = async {
        let answer = answering(req).await;
        (answer, VERIFYING.with(Cell::get))
    };
    let answering = VERIFYING.scope(Cell::default(), answering);
    let ((answer, verifying), commands) = store::op_count::counted(answering).await;
    let mut answer = answer?;
    trace::span_of(answer.request()).record("sso.store_commands", i64::from(commands));
    // Whole numbers, because formatting a float costs as much as everything else here.
    let micros = verifying.as_micros();
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
