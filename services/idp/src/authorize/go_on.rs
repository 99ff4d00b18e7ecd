//! The form by which a reader goes on to the code, after a pause of explain mode.

use actix_web::{HttpRequest, HttpResponse, web};
use tracing::Instrument as _;

pub use super::session_form::CONTINUE_PATH;
use super::{
    consent,
    decide::{self, AfterSignIn},
    join_login_trace_of,
    session_form::Submission,
};
use crate::{Idp, domain::Answer, forms::PageForm, page_error::PageError};

/// `POST /authorize/continue`: the reader goes on.
pub async fn endpoint(idp: web::Data<Idp>, req: HttpRequest, form: PageForm) -> HttpResponse {
    let handled = match Submission::read(&idp, &req, &form).await {
        Ok(submission) => {
            let span = join_login_trace_of(&req, submission.session().request.state.as_deref());
            go_on(&idp, &req, &submission).instrument(span).await
        }
        Err(error) => Err(error),
    };
    handled.unwrap_or_else(|error| error.page(&req))
}

async fn go_on(
    idp: &Idp,
    req: &HttpRequest,
    submission: &Submission<'_>,
) -> Result<HttpResponse, PageError> {
    let login = consent::signed_in(idp, req, submission).await?;
    let request = &submission.session().request;
    match decide::after_sign_in(submission.client, request, &login.sub) {
        AfterSignIn::Complete => {}
        // The same form as on the consent page.
        AfterSignIn::Consent if submission.params.one("decision") == Ok(Some("allow")) => {}
        AfterSignIn::Consent | AfterSignIn::Refuse(_) => {
            return Err(PageError::sign_in_over(Some(submission.client)));
        }
    }
    consent::answer(idp, req, submission, &login, Answer::Code).await
}
