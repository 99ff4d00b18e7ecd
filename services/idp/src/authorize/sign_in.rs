//! The sign-in form: shown for an authorization session, and its answer.

use std::{net::IpAddr, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use kit::{seal::fingerprint, step, telemetry::names::span};
use oauth_types::secret::same_secret;
use store::StoreError;
use tracing::Instrument as _;
use web_kit::client::client_addr;

use super::{
    Opened, Refusal, Trouble, answer, complete, consent,
    decide::{self, Verdict},
    join_journey_of,
};
use crate::{
    cookies,
    domain::{AuthorizationRequest, AuthorizationSession, LoginSession, SignedIn},
    pages::LoginPage,
    params::Params,
    records::Stored,
    sessions,
    settings::{Client, User},
    state::Idp,
    throttle::Attempt,
    token::form_params,
};

/// Where the form is posted.
pub const PATH: &str = "/sign-in";
/// The hidden field that names the authorization session. It is unguessable
/// and bound to a cookie, and so the form's CSRF token too.
pub(super) const FIELD: &str = "authorization_session";

/// Shows the form.
pub(super) fn ask(client: &Client, opened: &Opened) -> HttpResponse {
    let username = opened
        .session
        .request
        .login_hint
        .clone()
        .unwrap_or_default();
    let page = form(client, &opened.id, username, None);
    with_cookie(
        page.respond(StatusCode::OK, &opened.session.request.redirect_uri),
        &opened.cookie,
    )
}

/// `POST /sign-in`.
pub async fn endpoint(idp: web::Data<Idp>, req: HttpRequest, body: web::Bytes) -> HttpResponse {
    let handled = match answered(&idp, &req, &body).await {
        Ok(answered) => {
            let span = join_journey_of(&req, answered.stored.record.request.state.as_deref());
            sign_in(&idp, &req, answered).instrument(span).await
        }
        Err(trouble) => Err(trouble),
    };
    handled.unwrap_or_else(|trouble| trouble.page(&req))
}

/// A form that came back, with the session that it belongs to.
pub(super) struct Answered<'i> {
    pub(super) id: String,
    pub(super) stored: Stored<AuthorizationSession>,
    pub(super) client: &'i Client,
    pub(super) params: Params,
}

/// Reads a form of ours: the session that it names must be there and belong to
/// this browser.
pub(super) async fn answered<'i>(
    idp: &'i Idp,
    req: &HttpRequest,
    body: &[u8],
) -> Result<Answered<'i>, Trouble> {
    let params = form_params(req, body).map_err(|e| Trouble::request(e.description))?;
    let one = |name| {
        params
            .one(name)
            .map_err(|e| Trouble::request(e.to_string()))
    };
    let named = one("client_id")?.and_then(|id| idp.settings.client(id));
    let id = one(FIELD)?
        .ok_or_else(|| Trouble::sign_in_over(named))?
        .to_owned();
    let stored: Option<Stored<AuthorizationSession>> = idp.records.get(&fingerprint(&id)).await?;
    let stored = stored.ok_or_else(|| Trouble::sign_in_over(named))?;
    let browser = cookies::read(req, cookies::BROWSER).ok_or_else(Trouble::another_browser)?;
    if !same_secret(&stored.record.browser, &fingerprint(&browser)) {
        return Err(Trouble::another_browser());
    }
    let client = idp.settings.client(&stored.record.request.client_id);
    let client = client.ok_or_else(Trouble::unknown_client)?;
    Ok(Answered {
        id,
        stored,
        client,
        params,
    })
}

async fn sign_in(
    idp: &web::Data<Idp>,
    req: &HttpRequest,
    answered: Answered<'_>,
) -> Result<HttpResponse, Trouble> {
    let text = |name| answered.params.one(name).ok().flatten().unwrap_or_default();
    let (username, password) = (text("username"), text("password"));
    let request = &answered.stored.record.request;
    let again = |status, problem: String| {
        let typed = username.chars().take(LoginPage::MAX_USERNAME).collect();
        form(answered.client, &answered.id, typed, Some(problem))
            .respond(status, &request.redirect_uri)
    };
    let user = match check_password(idp, req, username, password).await? {
        Checked::Right(user) => user,
        Checked::Wrong => {
            let problem = "User name and password do not belong together.".to_owned();
            return Ok(again(StatusCode::UNAUTHORIZED, problem));
        }
        Checked::TooEarly(seconds) => {
            let problem = format!("Too many failed attempts. Try again in {seconds} s.");
            let mut page = again(StatusCode::TOO_MANY_REQUESTS, problem);
            page.headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
            return Ok(page);
        }
    };
    let before = sessions::current(idp, req).await?;
    let (login, cookie) = sessions::make(idp, before.as_ref(), user);
    // The request is claimed before the session begins: a second answer to it
    // must not change the browser's session.
    let claimed = claim(idp, &answered, &login).await?;
    sessions::save(idp, before.as_ref(), &login).await?;
    let response = match claimed {
        Claimed::Consent => Ok(consent::page(
            idp,
            answered.client,
            &answered.id,
            request,
            &login,
        )),
        Claimed::Complete(request) => complete::complete(idp, req, &request, &login).await,
        Claimed::Refuse(request, refusal) => {
            Ok(answer::refuse_request(idp, req, &request, &refusal))
        }
    };
    // The session has begun: its cookie goes along whatever happens now.
    let response = response.unwrap_or_else(|trouble| trouble.page(req));
    Ok(with_cookie(response, &cookie))
}

/// An authorization session that nobody else can answer any more.
enum Claimed {
    Consent,
    Complete(AuthorizationRequest),
    Refuse(AuthorizationRequest, Refusal),
}

async fn claim(
    idp: &Idp,
    answered: &Answered<'_>,
    login: &LoginSession,
) -> Result<Claimed, Trouble> {
    let read = &answered.stored;
    match decide::after_sign_in(answered.client, &read.record.request, login) {
        Verdict::Complete => Ok(Claimed::Complete(finish(idp, answered).await?)),
        Verdict::Refuse(refusal) => Ok(Claimed::Refuse(finish(idp, answered).await?, refusal)),
        Verdict::Consent => {
            let session = AuthorizationSession {
                signed_in: Some(SignedIn::to(login)),
                ..read.record.clone()
            };
            let id = fingerprint(&answered.id);
            let swapped = idp.records.swap(&id, read, &session).await?;
            let over = || Trouble::sign_in_over(Some(answered.client));
            swapped.then_some(Claimed::Consent).ok_or_else(over)
        }
    }
}

/// Ends the authorization session: one answer alone completes it.
pub(super) async fn finish(
    idp: &Idp,
    answered: &Answered<'_>,
) -> Result<AuthorizationRequest, Trouble> {
    let taken: Option<AuthorizationSession> = idp.records.take(&fingerprint(&answered.id)).await?;
    let over = || Trouble::sign_in_over(Some(answered.client));
    let request = taken.ok_or_else(over)?.request;
    complete::use_up(idp, &request).await?;
    Ok(request)
}

enum Checked<'i> {
    Right(&'i User),
    Wrong,
    TooEarly(u64),
}

async fn check_password<'i>(
    idp: &'i web::Data<Idp>,
    req: &HttpRequest,
    username: &str,
    password: &str,
) -> Result<Checked<'i>, Trouble> {
    let address = client_addr(req);
    // A task of its own: a browser that goes away must not spare its failure.
    let tried = try_password(
        web::Data::clone(idp),
        address,
        username.to_owned(),
        password.to_owned(),
    );
    let tried = tokio::spawn(tried.in_current_span()).await;
    match tried.unwrap_or(Ok(Tried::TooEarly(Duration::from_secs(1))))? {
        Tried::Right(sub) => Ok(idp
            .settings
            .user(&sub)
            .map_or(Checked::Wrong, Checked::Right)),
        Tried::Wrong => Ok(Checked::Wrong),
        Tried::TooEarly(wait) => {
            let seconds = wait.as_millis().div_ceil(1000).try_into();
            Ok(Checked::TooEarly(seconds.unwrap_or(1)))
        }
    }
}

enum Tried {
    /// The user's `sub`.
    Right(String),
    Wrong,
    TooEarly(Duration),
}

async fn try_password(
    idp: web::Data<Idp>,
    address: IpAddr,
    username: String,
    password: String,
) -> Result<Tried, StoreError> {
    let attempt = Attempt::new(&idp, &username, address);
    // Looked at with a slot in hand: of many tries at once only as many as
    // there are slots come before the first failure counts.
    let Some(slot) = idp.passwords.slot().await else {
        return Ok(Tried::TooEarly(Duration::from_secs(1)));
    };
    if let Err(wait) = attempt.begin(&idp).await? {
        tracing::warn!(%address, "a sign-in was slowed");
        return Ok(Tried::TooEarly(wait));
    }
    let check = idp
        .passwords
        .check(slot, &idp.settings, &username, &password);
    let Some(user) = check.instrument(step!(span::PASSWORD)).await else {
        attempt.failed(&idp).await?;
        tracing::warn!(%address, "password refused");
        return Ok(Tried::Wrong);
    };
    attempt.succeeded(&idp).await?;
    tracing::info!(user = user.sub, %address, "password accepted");
    Ok(Tried::Right(user.sub.clone()))
}

fn form(client: &Client, id: &str, username: String, problem: Option<String>) -> LoginPage {
    LoginPage {
        action: PATH.to_owned(),
        hidden: hidden(client, id),
        client_name: client.name.clone(),
        username,
        problem,
    }
}

/// The hidden fields of the forms. The client is there for the page that says
/// that the session is over.
pub(super) fn hidden(client: &Client, id: &str) -> Vec<(String, String)> {
    vec![
        (FIELD.to_owned(), id.to_owned()),
        ("client_id".to_owned(), client.client_id.clone()),
    ]
}

pub(super) fn with_cookie(
    mut response: HttpResponse,
    cookie: &actix_web::cookie::Cookie<'_>,
) -> HttpResponse {
    if let Err(error) = response.add_cookie(cookie) {
        tracing::error!("cookie: {error}");
    }
    response
}
