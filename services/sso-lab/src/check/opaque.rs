//! Opaque access tokens, where the deployment has them: an API asks the provider about such
//! a token (RFC 7662), so that a revocation (RFC 7009) counts soon.

use std::time::{Duration, Instant};

use kit::config::Site;
use reqwest::Method;
use url::form_urlencoded;

use super::{
    APIS,
    args::Plan,
    browser::Browser,
    machine::{basic, token},
    outcome::{Found, Step, Stop, ensure},
    provider::DISCOVERY,
    ready,
    run::Run,
};
use crate::batch::ClientCredentials;

/// How long an API may use what it was told before a revocation: the longest
/// INTROSPECTION_CACHE.
const REVOCATION: Duration = Duration::from_secs(301);
/// The pause between two calls.
const POLL: Duration = Duration::from_millis(250);

pub(super) async fn check(run: &mut Run, plan: &Plan, token_endpoint: &str) {
    for api in APIS {
        let name = format!("{}: refuses an opaque token that was revoked", api.label());
        match &plan.client {
            _ if plan.without.contains(&api) => {
                run.skip(&name, "not reached from here (--without)");
            }
            None => run.skip(&name, "no client's secret given (--client-secret-file)"),
            Some(client) => {
                let needs = [DISCOVERY, &ready(api)];
                let step = ends_by_revocation(plan, client, token_endpoint, api);
                run.step(&name, &needs, step).await;
            }
        }
    }
}

/// A token of `client` at `api`, which takes it until the client revokes it.
async fn ends_by_revocation(
    plan: &Plan,
    client: &ClientCredentials,
    token_endpoint: &str,
    api: Site,
) -> Step {
    let mut browser = Browser::new(&plan.transport);
    let token = token(&mut browser, client, token_endpoint, api).await?;
    if token.contains('.') {
        let why = "the access tokens for this API are JWTs (access_token_format)";
        return Err(Stop::Skipped(why.to_owned()));
    }
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let url = format!("{}/whoami", plan.url(api));
    let answer = browser.call(Method::GET, &url, &headers, "").await?;
    let answer = answer.expect(200)?;
    ensure(answer.json()?["client_id"] == *client.id, || {
        answer.failure("does not name the client")
    })?;
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", &token);
    let credentials = basic(client);
    let as_client = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("authorization", credentials.as_str()),
    ];
    let (revoke, form) = (format!("{}/revoke", plan.issuer), form.finish());
    let revoking = browser.call(Method::POST, &revoke, &as_client, &form);
    revoking.await?.expect(200)?;
    let began = Instant::now();
    loop {
        let answer = browser.call(Method::GET, &url, &headers, "").await?;
        match answer.status {
            401 => break,
            200 if began.elapsed() < REVOCATION => tokio::time::sleep(POLL).await,
            _ => {
                return Err(answer
                    .failure("still takes a token that was revoked")
                    .into());
            }
        }
    }
    let took = began.elapsed().as_millis();
    Ok(Found::new((), format!("{}, {took} ms later", client.id)))
}
