//! The code (RFC 6749 §4.1.2): one-time, at most 60 s. It is random, or derived from a secret
//! of the request, so that the answer to a form or to a pushed request can be repeated.

use actix_web::{HttpRequest, HttpResponse};
use kit::{clock::Timestamp, step, telemetry::names::span};
use tracing::Instrument as _;
use web_kit::explain::{TimeLeft, with_explanation};

use super::{answer, explained, par};
use crate::{
    Idp, budgets,
    domain::{AuthorizationRequest, Authorized, Code, CodeState, LoginSession},
    page_error::PageError,
    records::Stored,
    sessions,
};

/// Removes the pushed request, if `request` was pushed: when it gets its answer and
/// not when its page is shown, so that a reload is no second use.
pub(super) async fn consume_pushed(
    idp: &Idp,
    request: &AuthorizationRequest,
) -> Result<(), PageError> {
    let Some(id) = &request.pushed else {
        return Ok(());
    };
    let client = idp.settings.client(&request.client_id);
    let client = client.ok_or_else(PageError::unknown_client)?;
    let existed = par::consume(idp, client, id).await?;
    let over = || PageError::sign_in_over(Some(client));
    existed.then_some(()).ok_or_else(over)
}

/// Issues `code` for the user of `login` and redirects to the client. The pushed
/// request has been removed.
pub(super) async fn complete(
    idp: &Idp,
    req: &HttpRequest,
    request: &AuthorizationRequest,
    login: &LoginSession,
    code: String,
) -> Result<HttpResponse, PageError> {
    let span = step!(
        span::CODE_ISSUE,
        "sso.client_id" = request.client_id,
        "enduser.id" = login.sub
    );
    issue(idp, request, login, &code).instrument(span).await?;
    tracing::info!(
        client = request.client_id,
        user = login.sub,
        "signed in to a client"
    );
    let ends = idp.now() + idp.settings.lifetimes.code;
    Ok(redirect(idp, req, request, &code, Some(ends)))
}

/// Redirects to the client with the code that the same form got a moment ago. A
/// code that was redeemed meanwhile is not repeated: a second use would revoke
/// what the first one issued. The user, who is signed in by the session `sid`, is then
/// told so.
pub(super) async fn repeat(
    idp: &Idp,
    req: &HttpRequest,
    request: &AuthorizationRequest,
    (code, sid): (&str, &str),
) -> Result<HttpResponse, PageError> {
    let issued = idp
        .records
        .get::<Code>(&kit::seal::fingerprint(code))
        .await?;
    let ends = issued.as_ref().map(|code| code.record.redeemable_until);
    let is_used = |code: Stored<Code>| matches!(code.record.state, CodeState::Exchanged);
    if issued.is_some_and(is_used) {
        let client = idp.settings.client(&request.client_id);
        return Err(match sessions::live(idp, sid).await? {
            Some(_) => PageError::signed_in_already(client),
            None => PageError::sign_in_over(client),
        });
    }
    Ok(redirect(idp, req, request, code, ends))
}

/// Redirects to the client with `code`, which ends at `ends`. In explain mode a page says
/// so first.
pub(super) fn redirect(
    idp: &Idp,
    req: &HttpRequest,
    request: &AuthorizationRequest,
    code: &str,
    ends: Option<Timestamp>,
) -> HttpResponse {
    let state = request.state.as_deref();
    let response = answer::redirect(idp, req, &request.redirect_uri, state, &[("code", code)]);
    with_explanation(response, || {
        let time_left = ends.map(|ends| TimeLeft::new("The code", idp.now(), ends));
        explained::response(idp, req, request, time_left)
    })
}

async fn issue(
    idp: &Idp,
    request: &AuthorizationRequest,
    login: &LoginSession,
    code: &str,
) -> Result<(), PageError> {
    let now = idp.now();
    let lifetimes = &idp.settings.lifetimes;
    let record = Code {
        client_id: request.client_id.clone(),
        grant_id: idp.random.id(),
        state: CodeState::Pending(Box::new(Authorized {
            request: request.clone(),
            login: login.clone(),
        })),
        redeemable_until: now + lifetimes.code,
        expires_at: now + lifetimes.code,
    };
    let id = kit::seal::fingerprint(code);
    let charge = budgets::charge(budgets::user(&login.sub), &id, &record)?;
    idp.records.put(&id, &record).await?;
    budgets::enter(&idp.records, &idp.budgets.codes, &charge, &id, &record).await?;
    Ok(())
}
