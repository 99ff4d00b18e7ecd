//! The code (RFC 6749 §4.1.2): random, one-time, at most 60 s.

use actix_web::{HttpRequest, HttpResponse};
use kit::{step, telemetry::names::span};
use tracing::Instrument as _;

use super::answer;
use crate::{
    budgets,
    domain::{AuthorizationRequest, Authorized, Code, CodeState, LoginSession},
    par,
    records::Stored,
    state::Idp,
    trouble::Trouble,
};

/// Uses up the pushed request, where there is one: now that it has its answer,
/// and not when its page was shown (a reload is no second use).
pub(super) async fn use_up(idp: &Idp, request: &AuthorizationRequest) -> Result<(), Trouble> {
    let Some(id) = &request.pushed else {
        return Ok(());
    };
    let client = idp.settings.client(&request.client_id);
    let client = client.ok_or_else(Trouble::unknown_client)?;
    let was_there = par::use_up(idp, client, id).await?;
    let over = || Trouble::sign_in_over(Some(client));
    was_there.then_some(()).ok_or_else(over)
}

/// Issues `code` for `login`'s user and goes back to the client. The request has
/// been used up.
pub(super) async fn complete(
    idp: &Idp,
    req: &HttpRequest,
    request: &AuthorizationRequest,
    login: &LoginSession,
    code: String,
) -> Result<HttpResponse, Trouble> {
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
    Ok(back(idp, req, request, &code))
}

/// Goes back to the client with a code that was issued just now for the same
/// form. One that was redeemed meanwhile is not given again: a second use would
/// take back what the first one gave.
pub(super) async fn again(
    idp: &Idp,
    req: &HttpRequest,
    request: &AuthorizationRequest,
    code: &str,
) -> Result<HttpResponse, Trouble> {
    let issued = idp
        .records
        .get::<Code>(&kit::seal::fingerprint(code))
        .await?;
    let is_used = |code: Stored<Code>| matches!(code.record.state, CodeState::Exchanged);
    if issued.is_some_and(is_used) {
        let client = idp.settings.client(&request.client_id);
        return Err(Trouble::sign_in_over(client));
    }
    Ok(back(idp, req, request, code))
}

fn back(idp: &Idp, req: &HttpRequest, request: &AuthorizationRequest, code: &str) -> HttpResponse {
    let state = request.state.as_deref();
    answer::back(idp, req, &request.redirect_uri, state, &[("code", code)])
}

async fn issue(
    idp: &Idp,
    request: &AuthorizationRequest,
    login: &LoginSession,
    code: &str,
) -> Result<(), Trouble> {
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
