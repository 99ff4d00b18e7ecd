//! The user's answer to the consent page.

use actix_web::{HttpRequest, HttpResponse, web};
use tracing::Instrument as _;
use web_kit::explain::Pause;

use super::{
    answer, complete, consent_page::denied, join_login_trace_of, resubmit, session_form::Submission,
};
use crate::{
    Idp,
    domain::{Answer, LoginSession},
    forms::PageForm,
    page_error::PageError,
    pages::explain::Done,
    sessions,
};

/// `POST /consent`.
pub async fn endpoint(idp: web::Data<Idp>, req: HttpRequest, form: PageForm) -> HttpResponse {
    let handled = match Submission::read(&idp, &req, &form).await {
        Ok(submission) => {
            let span = join_login_trace_of(&req, submission.session().request.state.as_deref());
            decide(&idp, &req, &submission).instrument(span).await
        }
        Err(error) => Err(error),
    };
    handled.unwrap_or_else(|error| error.page(&req))
}

async fn decide(
    idp: &Idp,
    req: &HttpRequest,
    submission: &Submission<'_>,
) -> Result<HttpResponse, PageError> {
    let login = signed_in(idp, req, submission).await?;
    let decision = match submission.params.one("decision") {
        Ok(Some("allow")) => Answer::Code,
        Ok(Some("deny")) => Answer::Refusal,
        _ => return Err(PageError::request("decision must be allow or deny.")),
    };
    let session = submission.session();
    if decision == Answer::Code
        && session.answered.is_none()
        && let Some(pause) = Pause::of(req)
    {
        return Ok(submission.wait(idp, req, &pause, session, &Done::Consented));
    }
    answer(idp, req, submission, &login, decision).await
}

/// The login session of the user to whom the authorization session belongs.
pub(super) async fn signed_in(
    idp: &Idp,
    req: &HttpRequest,
    submission: &Submission<'_>,
) -> Result<LoginSession, PageError> {
    let over = || PageError::sign_in_over(Some(submission.client));
    let signed_in = submission.session().signed_in.as_ref().ok_or_else(over)?;
    // The user who consents must be the user who was asked.
    let login = sessions::current(idp, req).await?;
    let login = login.filter(|login| login.sid == signed_in.sid && login.sub == signed_in.sub);
    login.ok_or_else(over)
}

/// The answer for the client of an authorization session whose user is signed in.
pub(super) async fn answer(
    idp: &Idp,
    req: &HttpRequest,
    submission: &Submission<'_>,
    login: &LoginSession,
    decision: Answer,
) -> Result<HttpResponse, PageError> {
    let over = || PageError::sign_in_over(Some(submission.client));
    let session = submission.session();
    if session.answered.is_some() {
        return resubmit::consent(idp, req, submission, session, decision).await;
    }
    let signed_in = session.signed_in.clone().ok_or_else(over)?;
    let finished = submission.finish(idp, signed_in, decision).await?;
    let Some(request) = finished else {
        let done = submission.reread(idp).await?.ok_or_else(over)?;
        return resubmit::consent(idp, req, submission, &done, decision).await;
    };
    let client = &submission.client.client_id;
    match decision {
        Answer::Code => {
            // After a pause of explain mode the user may have signed in alone.
            if submission.params.has("decision") {
                tracing::info!(client, user = login.sub, "consent given");
            }
            let code = idp.form_secrets.code(&submission.id);
            complete::complete(idp, req, &request, login, code).await
        }
        Answer::Refusal => {
            tracing::info!(client, user = login.sub, "consent denied");
            Ok(answer::refuse_request(idp, req, &request, &denied()))
        }
    }
}
