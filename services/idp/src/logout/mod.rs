//! The end session endpoint (OpenID Connect RP-Initiated Logout 1.0), read top to
//! bottom: the request, the sessions that it ends, and the redirect.

mod answer;
mod request;

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use oauth_types::Params;
use request::LogoutRequest;

use crate::{
    Idp, cookies,
    domain::{EndReason, LoginSession},
    form_token,
    forms::{LIMITS, LogoutForm},
    page_error::PageError,
    post_to_get,
    records::ChangeError,
    session_index,
    sessions::{self, EndedSessions},
    settings::Client,
};

/// Where it is.
pub const PATH: &str = "/logout";

/// `GET` and `POST /logout`.
pub async fn endpoint(idp: web::Data<Idp>, req: HttpRequest, form: LogoutForm) -> HttpResponse {
    let handled = logout(&idp, &req, &form).await;
    handled.unwrap_or_else(|error| error.page(&req))
}

async fn logout(
    idp: &Idp,
    req: &HttpRequest,
    form: &LogoutForm,
) -> Result<HttpResponse, PageError> {
    let params = if req.method() == Method::POST {
        form.params()?
    } else {
        Params::parse(req.query_string().as_bytes(), LIMITS)?
    };
    cookies::none_twice(req)?;
    let here = sessions::current(idp, req).await?;
    let request =
        LogoutRequest::read(idp, &params).map_err(|why| why.nothing_ended(here.is_some()))?;
    if here.is_none()
        && let Some(redirect) = post_to_get::redirect(req, PATH, params.clone())
    {
        return Ok(redirect);
    }
    let scope = scope_of(idp, &request, here).await?;
    // §2: the user confirms what the request does not prove.
    if scope.needs_confirmation(&request) && !is_confirmed(req, &params, &scope)? {
        return Ok(answer::ask(idp, req, &request, &scope));
    }
    if let Some(page) = answer::wait(req, &request) {
        return Ok(page);
    }
    let ended = end(idp, &scope).await?;
    // The clients are notified before the browser returns to one of them.
    ended.notified().await;
    Ok(answer::signed_out(idp, req, &request, &scope))
}

/// What a logout request ends.
struct Scope<'i> {
    /// The session of this browser.
    here: Option<LoginSession>,
    /// Another session, in which the client of the hint takes part. It ends for that
    /// client only.
    elsewhere: Option<(LoginSession, &'i Client)>,
}

impl Scope<'_> {
    /// A hint of this browser's session needs no confirmation: every client may request
    /// the logout of its user. If nothing would end, the user is not asked.
    fn needs_confirmation(&self, request: &LogoutRequest<'_>) -> bool {
        match &self.here {
            Some(login) => !request.names(login),
            None => self.elsewhere.is_some(),
        }
    }

    /// The purpose of the form: it is valid for what it was shown for.
    fn purpose(&self) -> String {
        let here = self.here.as_ref().map_or("", |login| &login.sid);
        match &self.elsewhere {
            None => format!("logout {here}"),
            Some((login, client)) => format!("logout {here} {} {}", login.sid, client.client_id),
        }
    }
}

async fn scope_of<'i>(
    idp: &Idp,
    request: &LogoutRequest<'i>,
    here: Option<LoginSession>,
) -> Result<Scope<'i>, PageError> {
    let is_here = |sid: &str| here.as_ref().is_some_and(|login| login.sid == sid);
    let (Some(sid), Some(client)) = (request.sid().filter(|sid| !is_here(sid)), request.client)
    else {
        let elsewhere = None;
        return Ok(Scope { here, elsewhere });
    };
    let named = sessions::live(idp, sid).await?;
    let mut elsewhere = None;
    if let Some(login) = named.filter(|login| request.names(login)) {
        let clients = session_index::clients_of(idp, sid).await?;
        let takes_part = clients.iter().any(|(id, _)| *id == client.client_id);
        elsewhere = takes_part.then_some((login, client));
    }
    Ok(Scope { here, elsewhere })
}

fn is_confirmed(req: &HttpRequest, params: &Params, scope: &Scope<'_>) -> Result<bool, PageError> {
    if *req.method() != Method::POST || !form_token::is_form(params) {
        return Ok(false);
    }
    form_token::check(req, params, &scope.purpose()).map(|()| true)
}

async fn end(idp: &Idp, scope: &Scope<'_>) -> Result<EndedSessions, ChangeError> {
    let mut ended = EndedSessions::default();
    if let Some(login) = &scope.here {
        ended = sessions::end(idp, &login.sid, EndReason::Logout).await?;
    }
    if let Some((login, client)) = &scope.elsewhere {
        let of_client = sessions::end_client(idp, login, &client.client_id, EndReason::Logout);
        ended = ended.and(of_client.await?);
    }
    Ok(ended)
}
