//! `GET /session/events`: tells a page that its session has ended, without polling.
//! Server-sent events (HTML standard §9.2). An event says what happened to which
//! session (by its handle, a hash), and never a secret.

mod stream;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use web_kit::{client::client_addr, problem::Problem};

use self::stream::EventStream;
use crate::{sessions::Purpose, state::Bff};

/// When to try again, in seconds, after a limit was reached.
const COME_BACK: u64 = 30;

/// `GET /session/events`. It does not extend the session, and costs nothing until the
/// session changes.
#[utoipa::path(
    get, path = "/session/events", summary = "Events of the session, such as its end", tag = "This app",
    responses(
        (status = 200, description = "Server-sent events: `ended`, `replaced` or `drain` is the last one", content_type = "text/event-stream"),
        (status = 401, description = "No session"),
        (status = 503, description = "Too many event streams, or the store is away"),
    ),
    security(("session" = []))
)]
pub(crate) async fn events(req: HttpRequest, bff: web::Data<Bff>) -> Result<HttpResponse, Problem> {
    let opening = bff
        .sessions
        .with_session(&req, Purpose::PEEK, async |session| {
            let subscriptions = bff.sessions.subscriptions();
            let address = client_addr(&req).bucket();
            let Some(subscription) = subscriptions.subscribe(&session.id.handle(), address) else {
                let problem =
                    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many event streams");
                let problem =
                    problem.detail("Too many pages are listening for events. Try again later.");
                return Err(problem.retry_after(COME_BACK));
            };
            let (sessions, clock) = (bff.sessions.clone(), bff.clock.clone());
            let stream = EventStream::new(sessions, clock, session, subscription);
            Ok(HttpResponse::Ok()
                .content_type("text/event-stream")
                .insert_header((header::CACHE_CONTROL, "no-store"))
                // A proxy that buffers the answer would delay the events.
                .insert_header(("X-Accel-Buffering", "no"))
                .streaming(stream.events()))
        });
    opening.await
}
