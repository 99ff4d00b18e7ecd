//! What a request cost: bytes of cookies, operations of the store, time spent
//! on opening and checking cookies. Each answer says it (`Server-Timing`), and
//! nothing of it is kept.

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

/// Counts the time of `work` as spent on checking cookies.
pub(crate) async fn verifying<F: Future>(work: F) -> F::Output {
    let started = Instant::now();
    let outcome = work.await;
    // Outside of a request nobody counts.
    let _ = VERIFYING.try_with(|spent| spent.set(spent.get() + started.elapsed()));
    outcome
}

/// Prices what `answering` does for the request, and puts on its answer the
/// cookies that were collected on the way.
pub(crate) async fn priced<B: MessageBody>(
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
    let request = answer.request().clone();
    cookies::put_on(&request, answer.response_mut());
    trace::span_of(&request).record("sso.store_commands", i64::from(commands));
    // Whole numbers: writing a float would cost as much as all the rest.
    let micros = verifying.as_micros();
    let price = format!(
        "cookies;desc=\"{bytes} bytes\", store;desc=\"{commands} commands\", verify;dur={}.{:03}",
        micros / 1000,
        micros % 1000
    );
    if let Ok(value) = HeaderValue::try_from(price) {
        answer.headers_mut().insert(SERVER_TIMING, value);
    }
    Ok(answer)
}
