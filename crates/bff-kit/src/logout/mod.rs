//! `POST /logout`: ends this app's session and its refresh token, and sends the
//! browser on to the provider, which ends its own session and so every other
//! app's. Read top to bottom: what is asked, the end, the way on.

mod asked;
pub(crate) mod leftovers;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;
use web_kit::{
    body::{Body, FORM, is_form},
    problem::Problem,
};

use self::{
    asked::Asked,
    leftovers::{StillValid, revoke, still_valid},
};
use crate::{
    cookies::{self, Cookies},
    sessions::{Ended, Purpose},
    state::Bff,
};

/// Where the browser is in the end.
const HOME: &str = "/";

/// How far a logout goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scope {
    /// This app's session alone.
    App,
    /// The session with the provider too, and with it every app's.
    Everywhere,
}

/// What a script is told.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoggedOut {
    /// Where the browser is to go now: there the rest of it happens.
    redirect_to: String,
    /// What ends once it has gone there.
    ends: Scope,
    /// What nobody can call back.
    still_valid: Vec<StillValid>,
}

/// `POST /logout`. Without a session there is nothing to do, and that is well.
#[utoipa::path(
    post, path = "/logout", summary = "Sign out", tag = "This app",
    params(("scope" = Option<String>, Query, description = "`app`: of this app alone")),
    responses(
        (status = 200, description = "Signed out here; where to go on (Accept: application/json)", body = LoggedOut),
        (status = 303, description = "The same for a plain form"),
        (status = 400, description = "Another scope"),
        (status = 503, description = "The store does not answer; nothing has changed"),
    )
)]
pub(crate) async fn logout(
    req: HttpRequest,
    bff: web::Data<Bff>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let no_logout = |why| Problem::new(StatusCode::BAD_REQUEST, "This is no logout").detail(why);
    let asked = Asked::read(&req, b"").map_err(no_logout)?;
    if let Some(name) = cookies::doubled(&Cookies::of(&req)) {
        return Err(twice(name));
    }
    let session = bff.session(&req, Purpose::Look { slide: false }).await?;
    let Some(session) = session else {
        // Some may still be there of one that ended without this browser.
        cookies::set(&req, cookies::forget_session(&Cookies::of(&req)));
        return Ok(LoggedOut::here(Vec::new()).answer(asked.by_script));
    };
    let form = if is_form(req.headers()) {
        body.known().read(FORM).await?
    } else {
        Bytes::new()
    };
    let asked = Asked::read(&req, &form).map_err(no_logout)?;
    let ended = bff.sessions.end(&req, &session).await?;
    let revoking = revoke(&bff, &ended);
    let at_provider = match asked.scope {
        Scope::App => None,
        Scope::Everywhere => end_at_provider(&bff, &req, &ended).await,
    };
    revoking.await;
    let here = LoggedOut::here(still_valid(&ended));
    let logged_out = match at_provider {
        Some(redirect_to) => LoggedOut {
            redirect_to,
            ends: Scope::Everywhere,
            ..here
        },
        None => here,
    };
    Ok(logged_out.answer(asked.by_script))
}

/// Which session is meant cannot be told, and none has ended.
fn twice(name: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "A cookie is there twice").detail(format!(
        "This browser sends the cookie {name} twice, so no session can be told to be its own. Delete every cookie with this name, of this site and of the domains above it."
    ))
}

/// Where the provider ends its session. A provider that has no such place, or
/// is not reached, keeps its session: the answer says so.
async fn end_at_provider(bff: &Bff, req: &HttpRequest, ended: &Ended) -> Option<String> {
    let back_to = format!("{}{HOME}", bff.origin(req));
    let id_token = ended.id_token.as_deref();
    match bff.provider.end_session_url(id_token, &back_to).await {
        Ok(url) => url,
        Err(error) => {
            tracing::warn!("a logout ends this app's session alone: {error}");
            None
        }
    }
}

impl LoggedOut {
    fn here(still_valid: Vec<StillValid>) -> Self {
        Self {
            redirect_to: HOME.to_owned(),
            ends: Scope::App,
            still_valid,
        }
    }

    fn answer(self, by_script: bool) -> HttpResponse {
        let mut answer = if by_script {
            HttpResponse::Ok()
        } else {
            HttpResponse::SeeOther()
        };
        answer.insert_header((header::CACHE_CONTROL, "no-store"));
        if by_script {
            return answer.json(self);
        }
        // The id_token in it is nobody else's business.
        answer.insert_header((header::REFERRER_POLICY, "no-referrer"));
        answer.insert_header((header::LOCATION, self.redirect_to));
        answer.finish()
    }
}
