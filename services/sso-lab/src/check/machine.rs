//! A client that acts for itself (client credentials, RFC 6749 §4.4).

use kit::config::Site;
use oauth_types::secret;
use reqwest::Method;
use secrecy::ExposeSecret as _;
use url::form_urlencoded;

use super::{
    APIS,
    args::Plan,
    browser::Browser,
    outcome::{Failure, Found, Step, ensure},
    provider::DISCOVERY,
    ready,
    run::Run,
};
use crate::batch::ClientCredentials;

pub(super) async fn check(run: &mut Run, plan: &Plan, token_endpoint: &str) {
    for api in APIS {
        let name = format!("{}: knows a client that acts for itself", api.label());
        match &plan.client {
            _ if plan.without.contains(&api) => {
                run.skip(&name, "not reached from here (--without)");
            }
            None => run.skip(&name, "no client's secret given (--client-secret-file)"),
            Some(client) => {
                let needs = [DISCOVERY, &ready(api)];
                let step = acts_for_itself(plan, client, token_endpoint, api);
                run.step(&name, &needs, step).await;
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
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let url = format!("{}/whoami", plan.url(api));
    let answer = browser.call(Method::GET, &url, &headers, "").await?;
    let answer = answer.expect(200)?;
    let who = answer.json()?;
    let is_itself = who["sub"] == *client.id && who["client_id"] == *client.id;
    ensure(is_itself && who.get("act").is_none(), || {
        answer.failure("does not say that the client acts for itself")
    })?;
    Ok(Found::new((), client.id.as_str()))
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
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    form.append_pair("resource", audience);
    let credentials = basic(client);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("authorization", credentials.as_str()),
    ];
    let answer = browser
        .call(Method::POST, token_endpoint, &headers, &form.finish())
        .await?
        .expect(200)?;
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
