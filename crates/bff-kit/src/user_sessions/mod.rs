//! `GET /sessions`, `DELETE /sessions/{handle}`: the signed-in user's own
//! sessions with this app, here and on other devices. Where they are found
//! depends on where the one that asks is kept: in the store (`stored`), or with
//! the provider, which knows the grants behind those that are kept nowhere
//! (`granted`).

mod granted;
mod stored;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use serde::Serialize;
use utoipa::ToSchema;
use web_kit::{device, problem::Problem};

use crate::{
    logout::leftovers::{StillValid, revoke, still_valid},
    sessions::{About, Kept, SessionMode},
    state::Bff,
    tokens::error::not_signed_in,
};

/// A session, as its user sees it. Times are in seconds since the epoch.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserSession {
    /// Names it, and opens nothing.
    handle: String,
    /// The browser in plain words, by its own account.
    device: String,
    /// Where it is kept.
    #[schema(value_type = String)]
    mode: SessionMode,
    /// When the user signed in.
    created_at: i64,
    /// As exact as sessions slide: to a twentieth of their idle time.
    last_used_at: i64,
    /// When it ends if nothing happens until then; `null` where nobody here knows.
    expires_at: Option<i64>,
    /// Whether it is the one that asks.
    current: bool,
}

/// What came of ending a session.
#[derive(Serialize, ToSchema)]
pub(crate) struct EndedSession {
    /// Whether it was the one that asked: this browser is signed out then.
    current: bool,
    /// What nobody can call back.
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
    let session = bff.signed_in(&req).await?.ok_or_else(not_signed_in)?;
    let mut all = match &session.kept {
        Kept::Stored(current) => stored::list(&bff, current).await?,
        Kept::Carried(_) => granted::list(&bff, &req, &session).await?,
    };
    all.sort_by_key(|one| (!one.current, std::cmp::Reverse(one.created_at)));
    Ok(no_store().json(all))
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
    let session = bff.signed_in(&req).await?.ok_or_else(not_signed_in)?;
    let current = session.id.handle().as_str() == *handle;
    let ended = if current {
        Some(bff.sessions.end(&req, &session).await?)
    } else {
        match &session.kept {
            Kept::Stored(_) => stored::end(&bff, session.about(), &handle).await?,
            Kept::Carried(_) => granted::end(&bff, &req, &session, &handle).await?,
        }
    };
    let ended = ended.ok_or_else(no_such)?;
    revoke(&bff, &ended).await;
    Ok(no_store().json(EndedSession {
        current,
        still_valid: still_valid(&ended),
    }))
}

impl UserSession {
    fn new(handle: &str, user_agent: Option<&str>, about: &About, current: bool) -> Self {
        Self {
            handle: handle.to_owned(),
            device: device::in_words(user_agent),
            mode: about.mode,
            created_at: about.created_at.secs(),
            last_used_at: about.slid_at.secs(),
            expires_at: Some(about.expires_at.secs()),
            current,
        }
    }
}

fn no_store() -> actix_web::HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    answer
}

/// Also for another user's: nobody learns that it is there.
fn no_such() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "No such session")
        .detail("You have no live session with this handle. GET /sessions lists them.")
}
