//! `GET /sessions`, `DELETE /sessions/{handle}`: the signed-in user's own
//! sessions with this app, here and on other devices.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use serde::Serialize;
use utoipa::ToSchema;
use web_kit::{device, problem::Problem};

use crate::{
    revocation::{StillValid, revoke, still_valid},
    sessions::{Listed, Purpose, SessionMode},
    state::Bff,
};

/// A session, as its user sees it. Times are in seconds since the epoch.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserSession {
    /// Names the session. It is a hash, no secret.
    handle: String,
    /// The browser and system, by its User-Agent.
    device: String,
    /// The session's mode.
    #[schema(value_type = String)]
    mode: SessionMode,
    /// When the user signed in.
    created_at: i64,
    /// To a twentieth of the session's idle time.
    last_used_at: i64,
    /// When it expires unless it is used; `null` where the app does not know.
    expires_at: Option<i64>,
    /// Whether it is the session of this request.
    current: bool,
}

/// The answer to ending a session.
#[derive(Serialize, ToSchema)]
pub(crate) struct EndedSession {
    /// Whether it was the session of this request: this browser is signed out then.
    current: bool,
    /// Access tokens that cannot be revoked.
    still_valid: Vec<StillValid>,
}

/// `GET /sessions`.
#[utoipa::path(
    get, path = "/sessions", summary = "Your sessions, on all devices", tag = "This app", security(("session" = [])),
    responses(
        (status = 200, description = "This one first, then the newest", body = Vec<UserSession>),
        (status = 401, description = "No session"),
    )
)]
pub(crate) async fn list(req: HttpRequest, bff: web::Data<Bff>) -> Result<HttpResponse, Problem> {
    let listing = bff
        .sessions
        .with_session(&req, Purpose::USE, async |session| {
            let mut all = bff.sessions.list(&req, session).await?;
            all.sort_by_key(|one| (!one.current, std::cmp::Reverse(one.created_at)));
            let all: Vec<_> = all.iter().map(UserSession::from).collect();
            Ok(no_store().json(all))
        });
    listing.await
}

/// `DELETE /sessions/{handle}`.
#[utoipa::path(
    delete, path = "/sessions/{handle}", summary = "End one of your sessions", tag = "This app", security(("session" = [])),
    params(("handle" = String, Path, description = "As GET /sessions names it")),
    responses(
        (status = 200, description = "It has ended", body = EndedSession),
        (status = 401, description = "No session"),
        (status = 404, description = "You have no such session"),
    )
)]
pub(crate) async fn end(
    req: HttpRequest,
    bff: web::Data<Bff>,
    handle: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let ending = bff
        .sessions
        .with_session(&req, Purpose::USE, async |session| {
            let current = session.id.handle().as_str() == *handle;
            let ended = if current {
                Some(bff.sessions.end(&req, session).await?)
            } else {
                bff.sessions.end_other(&req, session, &handle).await?
            };
            let ended = ended.ok_or_else(no_such)?;
            revoke(&bff.provider, &ended).await;
            let answer = no_store().json(EndedSession {
                current,
                still_valid: still_valid(&ended),
            });
            Ok(ended.cookies.add_to(answer))
        });
    ending.await
}

impl From<&Listed> for UserSession {
    fn from(session: &Listed) -> Self {
        Self {
            handle: session.handle.clone(),
            device: device::in_words(session.user_agent.as_deref()),
            mode: session.mode,
            created_at: session.created_at.secs(),
            last_used_at: session.last_used_at.secs(),
            expires_at: session.expires_at.map(kit::clock::Timestamp::secs),
            current: session.current,
        }
    }
}

fn no_store() -> actix_web::HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    answer
}

/// Also for another user's, so that nobody learns that it exists.
fn no_such() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "No such session")
        .detail("You have no live session with this handle. GET /sessions lists them.")
}
