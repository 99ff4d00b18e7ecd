//! A client that acts for itself (client credentials, RFC 6749 §4.4).

use kit::config::Site;
use oauth_types::secret;
use reqwest::Method;
use secrecy::ExposeSecret as _;
use url::form_urlencoded;

use super::{
    APIS,
    args::Plan,
    browser::{Answer, Browser},
    outcome::{Failure, Found, Step, ensure},
    provider::DISCOVERY,
    ready,
    run::Run,
};
use crate::batch::ClientCredentials;

pub(super) async fn check(run: &mut Run, plan: &Plan, token_endpoint: &str) {
    let name = |api: &str| format!("{api}: knows a client that acts for itself");
    at_each_api(run, plan, name, async |client, api| {
        acts_for_itself(plan, client, token_endpoint, api).await
    })
    .await;
}

/// Runs the step `name` with the client for each API, or says why not.
pub(super) async fn at_each_api(
    run: &mut Run,
    plan: &Plan,
    name: impl Fn(&str) -> String,
    step: impl AsyncFn(&ClientCredentials, Site) -> Step,
) {
    for api in APIS {
        let name = name(api.label());
        match &plan.client {
            _ if plan.without.contains(&api) => {
                run.skip(&name, "not reached from here (--without)");
            }
            None => run.skip(&name, "no client's secret given (--client-secret-file)"),
            Some(client) => {
                let needs = [DISCOVERY, &ready(api)];
                run.step(&name, &needs, step(client, api)).await;
            }
        }
    }
}

/// RFC 6749 §4.4: a token without a user.
async fn acts_for_itself(
    plan: &Plan,
    client: &ClientCredentials,
    token_endpoint: &str,
    api: Site,
) -> Step {
    let mut browser = Browser::new(&plan.transport);
    let token = token(&mut browser, client, token_endpoint, api).await?;
    let answer = whoami(&mut browser, plan, api, &token).await?.expect(200)?;
    let who = answer.json()?;
    let is_itself = who["sub"] == *client.id && who["client_id"] == *client.id;
    ensure(is_itself && who.get("act").is_none(), || {
        answer.failure("does not say that the client acts for itself")
    })?;
    Ok(Found::new((), client.id.as_str()))
}

/// What `api` says to who brings `token`.
pub(super) async fn whoami(
    browser: &mut Browser,
    plan: &Plan,
    api: Site,
    token: &str,
) -> Result<Answer, Failure> {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let url = format!("{}/whoami", plan.url(api));
    browser.call(Method::GET, &url, &headers, "").await
}

/// Sends `form` as `client`.
pub(super) async fn post_as(
    browser: &mut Browser,
    client: &ClientCredentials,
    url: &str,
    form: &[(&str, &str)],
) -> Result<Answer, Failure> {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(form);
    let credentials = basic(client);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("authorization", credentials.as_str()),
    ];
    let body = encoded.finish();
    let answer = browser.call(Method::POST, url, &headers, &body);
    answer.await?.expect(200)
}

/// A token of `client` for itself at `api`, without one to renew it with (§4.4.3).
pub(super) async fn token(
    browser: &mut Browser,
    client: &ClientCredentials,
    token_endpoint: &str,
    api: Site,
) -> Result<String, Failure> {
    let audience = match api {
        Site::Api2 => "https://api-2",
        _ => "https://api-1",
    };
    let form = [("grant_type", "client_credentials"), ("resource", audience)];
    let answer = post_as(browser, client, token_endpoint, &form).await?;
    let tokens = answer.json()?;
    let token = tokens["access_token"].as_str().unwrap_or_default();
    ensure(!token.is_empty(), || answer.failure("has no access token"))?;
    ensure(tokens.get("refresh_token").is_none(), || {
        answer.failure("has a refresh token (RFC 6749 section 4.4.3)")
    })?;
    Ok(token.to_owned())
}

/// The header `Authorization` of `client`.
pub(super) fn basic(client: &ClientCredentials) -> String {
    secret::basic(&client.id, client.secret.expose_secret())
}
