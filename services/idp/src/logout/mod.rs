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
    sessions::{self, Ended, index},
    settings::Client,
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
    let here = sessions::current(idp, req).await?;
    let asked = Asked::read(idp, &params).map_err(|why| why.nothing_ended(here.is_some()))?;
    if here.is_none()
        && let Some(again) = again::as_get(req, PATH, params.clone())
    {
        return Ok(again);
    }
    let scope = ends(idp, &asked, here).await?;
    // §2: the user is asked where it is not sure that this is meant.
    if scope.is_to_be_confirmed(&asked) && !is_confirmed(req, &params, &scope)? {
        return Ok(answer::ask(idp, req, &asked, &scope));
    }
    let ended = end(idp, &scope).await?;
    // So that they know when the browser is back.
    ended.told().await;
    Ok(answer::signed_out(idp, req, &asked, &scope))
}

/// What a logout request can end.
struct Scope<'i> {
    /// The session of this browser.
    here: Option<LoginSession>,
    /// Another session, in which the hint's client takes part. A client's word
    /// goes for what the client itself holds there, and no further.
    elsewhere: Option<(LoginSession, &'i Client)>,
}

impl Scope<'_> {
    /// With the hint of this browser's session it is: its client asks for what
    /// every client may ask for. Where there is nothing to end, nobody is asked.
    fn is_to_be_confirmed(&self, asked: &Asked<'_>) -> bool {
        match &self.here {
            Some(login) => !asked.names(login),
            None => self.elsewhere.is_some(),
        }
    }

    /// The form's answer is good for what it was shown for.
    fn purpose(&self) -> String {
        let here = self.here.as_ref().map_or("", |login| &login.sid);
        match &self.elsewhere {
            None => format!("logout {here}"),
            Some((login, client)) => format!("logout {here} {} {}", login.sid, client.client_id),
        }
    }
}

async fn ends<'i>(
    idp: &Idp,
    asked: &Asked<'i>,
    here: Option<LoginSession>,
) -> Result<Scope<'i>, Trouble> {
    let is_here = |sid: &str| here.as_ref().is_some_and(|login| login.sid == sid);
    let (Some(sid), Some(client)) = (asked.sid().filter(|sid| !is_here(sid)), asked.client) else {
        let elsewhere = None;
        return Ok(Scope { here, elsewhere });
    };
    let named = sessions::live(idp, sid).await?;
    let mut elsewhere = None;
    if let Some(login) = named.filter(|login| asked.names(login)) {
        let clients = index::clients_of(idp, sid).await?;
        let takes_part = clients.iter().any(|(id, _)| *id == client.client_id);
        elsewhere = takes_part.then_some((login, client));
    }
    Ok(Scope { here, elsewhere })
}

fn is_confirmed(req: &HttpRequest, params: &Params, scope: &Scope<'_>) -> Result<bool, Trouble> {
    if *req.method() != Method::POST || !forms::is_answer(params) {
        return Ok(false);
    }
    forms::check(req, params, &scope.purpose()).map(|()| true)
}

async fn end(idp: &Idp, scope: &Scope<'_>) -> Result<Ended, GrantError> {
    let mut ended = Ended::default();
    if let Some(login) = &scope.here {
        ended = sessions::end(idp, &login.sid, EndReason::Logout).await?;
    }
    if let Some((login, client)) = &scope.elsewhere {
        let of_client = sessions::end_client(idp, login, &client.client_id, EndReason::Logout);
        ended = ended.and(of_client.await?);
    }
    Ok(ended)
}
