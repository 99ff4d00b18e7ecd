//! The code (RFC 6749 §4.1.2): random, one-time, at most 60 s.

use actix_web::{HttpRequest, HttpResponse};
use kit::{step, telemetry::names::span};
use tracing::Instrument as _;

use super::answer;
use crate::{
    budgets,
    domain::{AuthorizationRequest, Authorized, Code, CodeState, LoginSession},
    par,
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

/// Issues the code for `login`'s user and goes back to the client. The request
/// has been used up.
pub(super) async fn complete(
    idp: &Idp,
    req: &HttpRequest,
    request: &AuthorizationRequest,
    login: &LoginSession,
) -> Result<HttpResponse, Trouble> {
    let span = step!(
        span::CODE_ISSUE,
        "sso.client_id" = request.client_id,
        "enduser.id" = login.sub
    );
    let code = issue(idp, request, login).instrument(span).await?;
    tracing::info!(
        client = request.client_id,
        user = login.sub,
        "signed in to a client"
    );
    Ok(answer::back(
        idp,
        req,
        &request.redirect_uri,
        request.state.as_deref(),
        &[("code", &code)],
    ))
}

async fn issue(
    idp: &Idp,
    request: &AuthorizationRequest,
    login: &LoginSession,
) -> Result<String, Trouble> {
    let code = idp.random.token();
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
    let id = kit::seal::fingerprint(&code);
    let charge = budgets::charge(budgets::user(&login.sub), &id, &record)?;
    idp.records.put(&id, &record).await?;
    budgets::enter(&idp.records, &idp.budgets.codes, &charge, &id, &record).await?;
    Ok(code)
}
