//! The code (RFC 6749 §4.1.2): random, one-time, at most 60 s.

use actix_web::{HttpRequest, HttpResponse};
use kit::{step, telemetry::names::span};
use tracing::Instrument as _;

use super::answer::{self, Trouble};
use crate::{
    domain::{AuthorizationRequest, Code, CodeState, LoginSession, PushedRequest},
    state::Idp,
};

/// Issues the code for `login`'s user and goes back to the client.
pub(super) async fn complete(
    idp: &Idp,
    req: &HttpRequest,
    request: &AuthorizationRequest,
    login: &LoginSession,
) -> Result<HttpResponse, Trouble> {
    if let Some(id) = &request.pushed {
        // Used up now, and not when its page was shown: a reload is no second use.
        if idp.records.take::<PushedRequest>(id).await?.is_none() {
            return Err(Trouble::sign_in_over(
                idp.settings.client(&request.client_id),
            ));
        }
    }
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
        state: CodeState::Pending {
            request: Box::new(request.clone()),
            sid: login.sid.clone(),
            sub: login.sub.clone(),
            auth_time: login.auth_time,
            acr: login.acr.clone(),
            amr: login.amr.clone(),
            session_ends: login.expires_at,
        },
        redeemable_until: now + lifetimes.code,
        // Remembered while what it gave may live, to know a second use as one.
        expires_at: now + lifetimes.code + lifetimes.access_token,
    };
    idp.records
        .put(&kit::seal::fingerprint(&code), &record)
        .await?;
    Ok(code)
}
