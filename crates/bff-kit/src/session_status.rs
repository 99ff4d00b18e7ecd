//! `GET /session`: who is signed in. Never a token.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use serde_json::json;
use web_kit::problem::Problem;

use crate::{
    params, revocation,
    sessions::{About, Purpose},
    state::Bff,
};

/// `GET /session`.
#[utoipa::path(
    get, path = "/session", summary = "Who is signed in", tag = "This app",
    responses((status = 200, description = "Who is signed in, or authenticated: false"))
)]
pub(crate) async fn session(
    req: HttpRequest,
    bff: web::Data<Bff>,
) -> Result<HttpResponse, Problem> {
    let slide = slides(req.query_string())
        .map_err(|why| Problem::new(StatusCode::BAD_REQUEST, "Invalid query").detail(why))?;
    let (session, set) = bff.sessions.open(&req, Purpose::Identify { slide }).await?;
    let body = match &session {
        None => json!({
            "authenticated": false,
            "mode": bff.sessions.settings().mode,
            // Access tokens of sessions that this browser has ended.
            "still_valid": revocation::of_ended(&bff.sessions.still_good(&req)),
        }),
        Some(session) => described(session.about()),
    };
    let answer = HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(body);
    Ok(set.add_to(answer))
}

/// Whether the request counts as a use of the session.
fn slides(query: &str) -> Result<bool, String> {
    let params = params::parse(query.as_bytes()).map_err(|error| error.to_string())?;
    match params.get("slide") {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err("slide is true or false.".to_owned()),
    }
}

/// What scripts may know of a session.
fn described(about: &About) -> serde_json::Value {
    json!({
        "authenticated": true,
        "user": about.user,
        "mode": about.mode,
        "created_at": about.created_at.secs(),
        "last_used_at": about.slid_at.secs(),
        "expires_at": about.expires_at.secs(),
        "ends_at": about.ends_at.secs(),
    })
}
