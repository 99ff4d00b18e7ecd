//! `POST /logout`: ends this app's session and its refresh token, and sends the
//! browser on to the provider, which ends its own session and so every other
//! app's session.

mod options;

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
    cookies::duplicate_problem,
    explain::with_explanation,
    problem::Problem,
};

use self::options::LogoutOptions;
use crate::{
    app::App,
    cookies::{self, Cookies},
    pages::explain,
    revocation::{StillValid, revoke, still_valid},
    sessions::{Ended, Purpose, Session, SessionId},
    state::Bff,
};

/// Where the browser ends up.
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

/// The answer to a script.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoggedOut {
    /// Where the script has to send the browser to finish the logout.
    redirect_to: String,
    /// What has ended once the browser has gone there.
    ends: Scope,
    /// Access tokens that cannot be revoked.
    still_valid: Vec<StillValid>,
}

/// `POST /logout`. Without a session it succeeds and does nothing; sent twice, it answers
/// the second time as the first time.
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
    let options = LogoutOptions::read(&req, b"").map_err(no_logout)?;
    let cookies = Cookies::of(&req);
    if let Some(name) = cookies::duplicate(&cookies) {
        // It names two sessions, and none is ended.
        return Err(duplicate_problem(name));
    }
    let (session, mut set) = bff.sessions.open(&req, Purpose::PEEK).await?;
    let answer = if let Some(session) = session {
        end(&req, &bff, &session, body).await
    } else {
        // The browser may still have cookies of a session that ended elsewhere.
        set.add(cookies::forget_session(&cookies));
        let here = LoggedOut::here(Vec::new());
        let id = cookies.get(cookies::SESSION).and_then(SessionId::read);
        let before = id.and_then(|id| bff.recent_logouts.of(&id.handle(), bff.clock.now()));
        Ok(here.going_on(before).answer(&bff.app, options.by_script))
    };
    Ok(set.add_to(answer.unwrap_or_else(HttpResponse::from_error)))
}

async fn end(
    req: &HttpRequest,
    bff: &Bff,
    session: &Session,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let form = if is_form(req.headers()) {
        body.authenticated().read(FORM).await?
    } else {
        Bytes::new()
    };
    let options = LogoutOptions::read(req, &form).map_err(no_logout)?;
    let ended = bff.sessions.end(req, session).await?;
    let revoking = revoke(&bff.provider, &ended);
    let at_provider = match options.scope {
        Scope::App => None,
        Scope::Everywhere => end_at_provider(bff, req, &ended).await,
    };
    revoking.await;
    if let Some(redirect_to) = &at_provider {
        let handle = session.id.handle();
        bff.recent_logouts
            .add(&handle, redirect_to, bff.clock.now());
    }
    let logged_out = LoggedOut::here(still_valid(&ended)).going_on(at_provider);
    let answer = logged_out.answer(&bff.app, options.by_script);
    Ok(ended.cookies.add_to(answer))
}

fn no_logout(why: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "Invalid logout request").detail(why)
}

/// The URL at which the provider ends its session. Without such an endpoint, or while
/// the provider is unreachable, its session stays, and the answer says so.
async fn end_at_provider(bff: &Bff, req: &HttpRequest, ended: &Ended) -> Option<String> {
    let back_to = format!("{}{HOME}", bff.origin(req));
    let id_token = ended.id_token.as_deref();
    match bff.provider.end_session_url(id_token, &back_to).await {
        Ok(url) => url,
        Err(error) => {
            tracing::warn!("a logout ended only this app's session: {error}");
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

    /// The same, if it goes on at the provider.
    fn going_on(self, at_provider: Option<String>) -> Self {
        match at_provider {
            Some(redirect_to) => Self {
                redirect_to,
                ends: Scope::Everywhere,
                ..self
            },
            None => self,
        }
    }

    fn answer(self, app: &App, by_script: bool) -> HttpResponse {
        let mut answer = if by_script {
            HttpResponse::Ok()
        } else {
            HttpResponse::SeeOther()
        };
        answer.insert_header((header::CACHE_CONTROL, "no-store"));
        if by_script {
            return answer.json(self);
        }
        // The URL contains the id_token.
        answer.insert_header((header::REFERRER_POLICY, "no-referrer"));
        answer.insert_header((header::LOCATION, self.redirect_to));
        with_explanation(answer.finish(), || match self.ends {
            Scope::App => explain::signed_out_here(app),
            Scope::Everywhere => explain::sign_out_at_provider(app),
        })
    }
}
