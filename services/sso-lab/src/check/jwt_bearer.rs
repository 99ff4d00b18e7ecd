//! A client that signs assertions (JWT bearer, RFC 7523 §2.1): for itself, or for a user
//! whom it may name.

use kit::config::Site;
use reqwest::Method;

use super::{
    args::Plan,
    browser::{Answer, Browser},
    outcome::{Failure, Found, Step, ensure},
    provider::DISCOVERY,
    ready,
    run::Run,
};
use crate::batch::KeyClient;

const AUDIENCE: &str = "https://api-1";

pub(super) async fn check(run: &mut Run, plan: &Plan, token_endpoint: &str) {
    let api = ready(Site::Api1);
    let name = "api1: knows whom a client names in its assertion";
    match &plan.key_client {
        _ if plan.without.contains(&Site::Api1) => {
            run.skip(name, "not reached from here (--without)");
        }
        None => run.skip(
            name,
            "no client's key given (--client-key-file, --state-dir)",
        ),
        Some(client) => {
            let step = names_the_subject(plan, client, token_endpoint);
            run.step(name, &[DISCOVERY, &api], step).await;
        }
    }
}

/// A token for the subject of an assertion, which counts once.
async fn names_the_subject(plan: &Plan, client: &KeyClient, token_endpoint: &str) -> Step {
    let mut browser = Browser::new(&plan.transport);
    let assertion = client.assertion(&plan.issuer, client.subject());
    let assertion = assertion.map_err(Failure::new)?;
    let answer = redeem(&mut browser, plan, client, token_endpoint, &assertion).await?;
    let answer = answer.expect(200)?;
    let tokens = answer.json()?;
    let token = tokens["access_token"].as_str().unwrap_or_default();
    ensure(!token.is_empty(), || answer.failure("has no access token"))?;
    ensure(tokens.get("refresh_token").is_none(), || {
        answer.failure("has a refresh token, for which nobody was asked")
    })?;
    let again = redeem(&mut browser, plan, client, token_endpoint, &assertion).await?;
    let again = again.expect(400)?;
    ensure(again.json()?["error"] == "invalid_grant", || {
        again.failure("does not refuse an assertion that was used before")
    })?;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let url = format!("{}/whoami", plan.url(Site::Api1));
    let answer = browser.call(Method::GET, &url, &headers, "").await?;
    let answer = answer.expect(200)?;
    let who = answer.json()?;
    let is_itself = who["sub"] == *client.id;
    let is_named = is_itself == client.user.is_none() && who["client_id"] == *client.id;
    ensure(is_named && who.get("act").is_none(), || {
        answer.failure("does not say whom the assertion names")
    })?;
    Ok(Found::new((), client.subject()))
}

async fn redeem(
    browser: &mut Browser,
    plan: &Plan,
    client: &KeyClient,
    token_endpoint: &str,
    assertion: &str,
) -> Result<Answer, Failure> {
    let form = client.form(&plan.issuer, AUDIENCE, assertion);
    let form = form.map_err(Failure::new)?;
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    browser
        .call(Method::POST, token_endpoint, &headers, &form)
        .await
}
