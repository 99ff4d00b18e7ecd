//! A form that is submitted twice, as by a double click. The browser discards the
//! first response and follows the second one, so both must be the same. The
//! response is recomputed and not stored: its secrets are derived
//! (`form_secrets`). A resubmission needs what the first one needed: the browser's
//! cookie, and the password or the session.

use actix_web::{HttpRequest, HttpResponse};
use web_kit::explain::Pause;

use super::{
    GRACE, answer, complete, consent_page,
    decide::{self, AfterSignIn},
    session_form::Submission,
};
use crate::{
    Idp,
    cookies::{self, with_cookie},
    domain::{Answer, AuthorizationSession, SignedIn},
    page_error::PageError,
    pages::explain::Done,
    settings::User,
};

/// The response that the sign-in form of `session` got within [`GRACE`], for the
/// same user.
pub(super) async fn sign_in(
    idp: &Idp,
    req: &HttpRequest,
    submission: &Submission<'_>,
    session: &AuthorizationSession,
    user: &User,
) -> Result<Option<HttpResponse>, PageError> {
    let Some(SignedIn {
        sid,
        sub,
        at: Some(at),
    }) = &session.signed_in
    else {
        return Ok(None);
    };
    let now = idp.now();
    if *sub != user.sub || *at + GRACE <= now {
        return Ok(None);
    }
    let (client, id, request) = (submission.client, &submission.id, &session.request);
    let verdict = decide::after_sign_in(client, request, sub);
    let response = match (verdict, session.answered) {
        (AfterSignIn::Consent, None) => Ok(consent_page::page(idp, client, id, request, sub)),
        (AfterSignIn::Complete, None) => match Pause::of(req) {
            Some(pause) => Ok(submission.wait(idp, req, &pause, session, &Done::SignedIn)),
            None => return Ok(None),
        },
        (AfterSignIn::Complete, Some(Answer::Code)) => {
            let code = idp.form_secrets.code(id);
            complete::repeat(idp, req, request, (&code, sid)).await
        }
        (AfterSignIn::Refuse(refusal), Some(Answer::Refusal)) => {
            Ok(answer::refuse_request(idp, req, request, &refusal))
        }
        _ => return Ok(None),
    };
    let secret = idp.form_secrets.session(id, sid, *at);
    let ends = *at + idp.settings.lifetimes.idp_session;
    let cookie = cookies::session(sid, &secret, now, ends, idp.weaknesses);
    let response = response.unwrap_or_else(|error| error.page(req));
    Ok(Some(with_cookie(response, &cookie)))
}

/// The response that the consent form of `session` got within [`GRACE`], if the
/// decision was the same.
pub(super) async fn consent(
    idp: &Idp,
    req: &HttpRequest,
    submission: &Submission<'_>,
    session: &AuthorizationSession,
    decision: Answer,
) -> Result<HttpResponse, PageError> {
    let request = &session.request;
    match (session.answered, decision) {
        (Some(Answer::Code), Answer::Code) => {
            let code = idp.form_secrets.code(&submission.id);
            let sid = session.signed_in.as_ref().map_or("", |login| &*login.sid);
            complete::repeat(idp, req, request, (&code, sid)).await
        }
        (Some(Answer::Refusal), Answer::Refusal) => {
            let denied = consent_page::denied();
            Ok(answer::refuse_request(idp, req, request, &denied))
        }
        _ => Err(PageError::sign_in_over(Some(submission.client))),
    }
}
