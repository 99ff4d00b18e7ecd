//! `GET /session/events`: a page hears that its session has ended, without
//! asking again and again. Server-sent events, as the HTML standard has them
//! (§9.2). One says what happened to which session (by its handle, a hash), and
//! never a secret.

mod vigil;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use web_kit::{client::client_addr, problem::Problem};

use self::vigil::Vigil;
use crate::{sessions::Purpose, state::Bff, tokens::error::not_signed_in};

/// When to come back, in seconds, where there are too many listeners already.
const COME_BACK: u64 = 30;

/// `GET /session/events`. It does not prolong the session, and costs nothing
/// until the session changes.
#[utoipa::path(
    get, path = "/session/events", summary = "Tells when the session has ended", tag = "This app",
    responses(
        (status = 200, description = "Server-sent events: `ended`, `replaced` or `drain` is the last one", content_type = "text/event-stream"),
        (status = 401, description = "No session"),
        (status = 503, description = "Too many listeners, or the store is away"),
    ),
    security(("session" = []))
)]
pub(crate) async fn events(req: HttpRequest, bff: web::Data<Bff>) -> Result<HttpResponse, Problem> {
    let looking = Purpose::Look { slide: false };
    let session = bff.session(&req, looking).await?;
    let session = session.ok_or_else(not_signed_in)?;
    let listener = bff
        .sessions
        .listeners()
        .join(&session.id.handle(), client_addr(&req).bucket());
    let Some(listener) = listener else {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many listeners");
        let problem = problem.detail("So many pages listen already that this one has to wait.");
        return Err(problem.retry_after(COME_BACK));
    };
    let (sessions, clock) = (bff.sessions.clone(), bff.clock.clone());
    let vigil = Vigil::new(sessions, clock, &session, listener);
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // A proxy that collects the answer would keep the news to itself.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(vigil.events()))
}
