//! The end session endpoint (OpenID Connect RP-Initiated Logout 1.0), read top
//! to bottom: what is asked, whose session that is, and the way back.

mod answer;
mod asked;

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use asked::Asked;

use crate::{
    again,
    bodies::LogoutForm,
    cookies,
    domain::{EndReason, LoginSession},
    forms,
    grants::GrantError,
    params::Params,
    sessions::{self, Ended},
    state::Idp,
    token::form_params,
    trouble::Trouble,
};

/// Where it is.
pub const PATH: &str = "/logout";

/// `GET` and `POST /logout`.
pub async fn endpoint(idp: web::Data<Idp>, req: HttpRequest, body: LogoutForm) -> HttpResponse {
    let handled = logout(&idp, &req, &body).await;
    handled.unwrap_or_else(|trouble| trouble.page(&req))
}

async fn logout(idp: &Idp, req: &HttpRequest, body: &[u8]) -> Result<HttpResponse, Trouble> {
    let params = if req.method() == Method::POST {
        form_params(req, body).map_err(|e| Trouble::request(e.description))?
    } else {
        Params::parse(req.query_string())?
    };
    cookies::none_twice(req)?;
    let asked = Asked::read(idp, &params)?;
    let here = sessions::current(idp, req).await?;
    // §2: the user is asked where it is not sure that this is meant.
    if let Some(login) = here.as_ref().filter(|login| !asked.names(login))
        && !is_confirmed(req, &params, login)?
    {
        return Ok(answer::ask(idp, req, &asked, login));
    }
    let ended = end(idp, &asked, here.as_ref()).await?;
    if ended.sessions == 0
        && let Some(again) = again::as_get(req, PATH, params)
    {
        return Ok(again);
    }
    // So that they know when the browser is back.
    ended.told().await;
    Ok(answer::signed_out(idp, req, &asked))
}

fn is_confirmed(req: &HttpRequest, params: &Params, login: &LoginSession) -> Result<bool, Trouble> {
    if *req.method() != Method::POST || !forms::is_answer(params) {
        return Ok(false);
    }
    forms::check(req, params, &purpose(login)).map(|()| true)
}

/// The form's answer is good for the session that it was shown for.
fn purpose(login: &LoginSession) -> String {
    format!("logout {}", login.sid)
}

/// Ends the browser's session and the hint's; both are one as a rule. With none
/// in this browser the hint alone says which: its holder was given it.
async fn end(
    idp: &Idp,
    asked: &Asked<'_>,
    here: Option<&LoginSession>,
) -> Result<Ended, GrantError> {
    let mut ended = Ended::default();
    if let Some(login) = here {
        ended = sessions::end(idp, &login.sid, EndReason::Logout).await?;
    }
    if let Some(sid) = asked.sid()
        && let Some(login) = sessions::live(idp, sid).await?
        && asked.names(&login)
    {
        ended = ended.and(sessions::end(idp, sid, EndReason::Logout).await?);
    }
    Ok(ended)
}
