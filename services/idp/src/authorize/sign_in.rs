//! The sign-in form of an authorization session, and its submission.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use kit::seal::fingerprint;
use tracing::Instrument as _;
use web_kit::explain::Pause;

use super::{
    OpenSession, answer,
    checks::Refusal,
    complete, consent_page,
    decide::{self, AfterSignIn},
    join_login_trace_of, resubmit,
    session_form::{Submission, hidden_fields},
};
use crate::{
    Idp,
    cookies::with_cookie,
    credentials,
    domain::{Answer, AuthorizationRequest, AuthorizationSession, LoginSession, SignedIn},
    forms::PageForm,
    page_error::PageError,
    pages::{LoginAim, LoginPage, explain::Done},
    sessions,
    settings::{Client, User},
};

/// Where the form is posted.
pub const PATH: &str = "/sign-in";

/// Shows the form.
pub(super) fn show(client: &Client, open: &OpenSession) -> HttpResponse {
    let request = &open.session.request;
    let page = LoginPage {
        username: request.login_hint.clone().unwrap_or_default(),
        ..form(client, &open.id)
    };
    with_cookie(
        page.respond(StatusCode::OK, &request.redirect_uri),
        &open.cookie,
    )
}

/// `POST /sign-in`.
pub async fn endpoint(idp: web::Data<Idp>, req: HttpRequest, form: PageForm) -> HttpResponse {
    let handled = match Submission::read(&idp, &req, &form).await {
        Ok(submission) => {
            let span = join_login_trace_of(&req, submission.session().request.state.as_deref());
            sign_in(&idp, &req, submission).instrument(span).await
        }
        Err(error) => Err(error),
    };
    handled.unwrap_or_else(|error| error.page(&req))
}

async fn sign_in(
    idp: &web::Data<Idp>,
    req: &HttpRequest,
    submission: Submission<'_>,
) -> Result<HttpResponse, PageError> {
    let session = submission.session();
    let user = match credentials::check(idp, req, &submission.params).await? {
        Ok(user) => user,
        Err(failure) => {
            let form = form(submission.client, &submission.id);
            return Ok(failure.respond(form, &session.request.redirect_uri));
        }
    };
    if let Some(same) = resubmit::sign_in(idp, req, &submission, session, user).await? {
        return Ok(same);
    }
    if session.answered.is_some() {
        return Err(PageError::sign_in_over(Some(submission.client)));
    }
    let before = sessions::stored(idp, req).await?;
    let known = before.as_ref().map(|stored| &stored.record);
    let secret = |sid: &str, at| idp.form_secrets.session(&submission.id, sid, at);
    let (login, cookie) = sessions::make(idp, req, known, user, secret);
    // The request is claimed before the session begins: a second submission must
    // not change the browser's session.
    let pause = Pause::of(req);
    let Some(claimed) = claim(idp, &submission, &login, pause).await? else {
        return after_another(idp, req, &submission, user).await;
    };
    sessions::save(idp, before.as_ref(), &login).await?;
    let response = respond(idp, req, &submission, &login, claimed).await;
    // The session has begun: its cookie is set even if the rest has failed.
    let response = response.unwrap_or_else(|error| error.page(req));
    let known = credentials::known_browser(idp, req, user);
    Ok(with_cookie(with_cookie(response, &cookie), &known))
}

/// The answer after a concurrent submission of the same form.
async fn after_another(
    idp: &Idp,
    req: &HttpRequest,
    submission: &Submission<'_>,
    user: &User,
) -> Result<HttpResponse, PageError> {
    let over = || PageError::sign_in_over(Some(submission.client));
    let done = submission.reread(idp).await?.ok_or_else(over)?;
    let same = resubmit::sign_in(idp, req, submission, &done, user).await?;
    same.ok_or_else(over)
}

/// An authorization session that no other submission can answer any more.
enum Claimed {
    Consent,
    /// Its reader goes on later (explain mode).
    Pause(Pause),
    Complete(AuthorizationRequest),
    Refuse(AuthorizationRequest, Refusal),
}

/// Claims the authorization session. `None` if a concurrent submission has.
async fn claim(
    idp: &Idp,
    submission: &Submission<'_>,
    login: &LoginSession,
    pause: Option<Pause>,
) -> Result<Option<Claimed>, PageError> {
    let session = submission.session();
    let signed_in = SignedIn::by_form(login);
    let linked = async |signed_in, claimed| {
        let linked = AuthorizationSession {
            signed_in: Some(signed_in),
            ..session.clone()
        };
        let id = fingerprint(&submission.id);
        let swapped = idp.records.swap(&id, &submission.stored, &linked).await?;
        Ok(swapped.then_some(claimed))
    };
    let verdict = decide::after_sign_in(submission.client, &session.request, &login.sub);
    match (verdict, pause) {
        (AfterSignIn::Complete, None) => {
            let request = submission.finish(idp, signed_in, Answer::Code).await?;
            Ok(request.map(Claimed::Complete))
        }
        (AfterSignIn::Complete, Some(pause)) => linked(signed_in, Claimed::Pause(pause)).await,
        (AfterSignIn::Refuse(refusal), _) => {
            let request = submission.finish(idp, signed_in, Answer::Refusal).await?;
            Ok(request.map(|request| Claimed::Refuse(request, refusal)))
        }
        (AfterSignIn::Consent, _) => linked(signed_in, Claimed::Consent).await,
    }
}

async fn respond(
    idp: &Idp,
    req: &HttpRequest,
    submission: &Submission<'_>,
    login: &LoginSession,
    claimed: Claimed,
) -> Result<HttpResponse, PageError> {
    let (client, id) = (submission.client, &submission.id);
    match claimed {
        Claimed::Consent => {
            let request = &submission.session().request;
            Ok(consent_page::page(idp, client, id, request, &login.sub))
        }
        Claimed::Pause(pause) => {
            let session = submission.session();
            Ok(submission.wait(idp, req, &pause, session, &Done::SignedIn))
        }
        Claimed::Complete(request) => {
            let code = idp.form_secrets.code(id);
            complete::complete(idp, req, &request, login, code).await
        }
        Claimed::Refuse(request, refusal) => {
            Ok(answer::refuse_request(idp, req, &request, &refusal))
        }
    }
}

fn form(client: &Client, id: &str) -> LoginPage {
    LoginPage {
        action: PATH.to_owned(),
        hidden: hidden_fields(client, id),
        aim: LoginAim::Client(client.name.clone()),
        username: String::new(),
        problem: None,
    }
}
