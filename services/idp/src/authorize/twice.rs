//! A form that was sent twice, as by a double click: the browser has given up
//! the first answer and follows the second one, so that has to be the same. It
//! is made again, not kept: what is secret in it is derived (`form_secrets`).
//! Whoever sends the form again needs what the first one needed: the browser's
//! cookie, and the password or the session.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse};
use kit::seal::fingerprint;

use super::{
    answer, complete, consent,
    decide::{self, Verdict},
    sign_in::Answered,
};
use crate::{
    cookies::{self, with_cookie},
    domain::{Answer, AuthorizationSession, SignedIn},
    settings::User,
    state::Idp,
    trouble::Trouble,
};

/// For so long the same form gets the same answer.
pub(super) const GRACE: Duration = Duration::from_secs(30);

/// The authorization session as another request has left it.
pub(super) async fn done(
    idp: &Idp,
    answered: &Answered<'_>,
) -> Result<Option<AuthorizationSession>, Trouble> {
    let found = idp.records.get(&fingerprint(&answered.id)).await?;
    Ok(found.map(|stored| stored.record))
}

/// What the sign-in form of `record` came to a moment ago, for the same user.
pub(super) async fn signed_in(
    idp: &Idp,
    req: &HttpRequest,
    answered: &Answered<'_>,
    record: &AuthorizationSession,
    user: &User,
) -> Result<Option<HttpResponse>, Trouble> {
    let Some(SignedIn {
        sid,
        sub,
        at: Some(at),
    }) = &record.signed_in
    else {
        return Ok(None);
    };
    let now = idp.now();
    if *sub != user.sub || *at + GRACE <= now {
        return Ok(None);
    }
    let (client, request) = (answered.client, &record.request);
    let verdict = decide::after_sign_in(client, request, sub);
    let response = match (verdict, record.answered) {
        (Verdict::Consent, None) => Ok(consent::page(idp, client, &answered.id, request, sub)),
        (Verdict::Complete, Some(Answer::Code)) => {
            let code = idp.form_secrets.code(&answered.id);
            complete::again(idp, req, request, &code).await
        }
        (Verdict::Refuse(refusal), Some(Answer::Refusal)) => {
            Ok(answer::refuse_request(idp, req, request, &refusal))
        }
        _ => return Ok(None),
    };
    let secret = idp.form_secrets.session(&answered.id, sid, *at);
    let ends = *at + idp.settings.lifetimes.idp_session;
    let cookie = cookies::session(sid, &secret, now, ends, idp.weaknesses);
    let response = response.unwrap_or_else(|trouble| trouble.page(req));
    Ok(Some(with_cookie(response, &cookie)))
}

/// What the consent form of `record` came to a moment ago, if that was the same
/// decision.
pub(super) async fn decision(
    idp: &Idp,
    req: &HttpRequest,
    answered: &Answered<'_>,
    record: &AuthorizationSession,
    decision: Answer,
) -> Result<HttpResponse, Trouble> {
    let request = &record.request;
    match (record.answered, decision) {
        (Some(Answer::Code), Answer::Code) => {
            let code = idp.form_secrets.code(&answered.id);
            complete::again(idp, req, request, &code).await
        }
        (Some(Answer::Refusal), Answer::Refusal) => {
            let denied = consent::denied();
            Ok(answer::refuse_request(idp, req, request, &denied))
        }
        _ => Err(Trouble::sign_in_over(Some(answered.client))),
    }
}
