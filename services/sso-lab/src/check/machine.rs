//! A client that acts for itself (client credentials, RFC 6749 §4.4).

use std::time::{Duration, Instant};

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

/// How long an API may use what it was told before a revocation: the longest
/// INTROSPECTION_CACHE.
const REVOCATION: Duration = Duration::from_secs(301);
/// The pause between two calls.
const POLL: Duration = Duration::from_millis(250);

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

/// RFC 6749 §4.4: a token without a user, and none to renew it with (§4.4.3).
async fn acts_for_itself(
    plan: &Plan,
    client: &ClientCredentials,
    token_endpoint: &str,
    api: Site,
) -> Step {
    let mut browser = Browser::new(&plan.transport);
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
    if token.contains('.') {
        return Ok(Found::new((), client.id.as_str()));
    }
    ends_by_revocation(plan, &mut browser, (token, &credentials), &url).await?;
    let note = format!("{}, by an opaque token, which was revoked", client.id);
    Ok(Found::new((), note))
}

/// RFC 7009: an API that is sent an opaque `token` asks the provider, so a revocation by the
/// client with these `credentials` counts soon. `url`: a call that takes the token.
async fn ends_by_revocation(
    plan: &Plan,
    browser: &mut Browser,
    (token, credentials): (&str, &str),
    url: &str,
) -> Result<(), Failure> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", token);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("authorization", credentials),
    ];
    let revoke = format!("{}/revoke", plan.issuer);
    let form = form.finish();
    let revoking = browser.call(Method::POST, &revoke, &headers, &form);
    revoking.await?.expect(200)?;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let began = Instant::now();
    loop {
        let answer = browser.call(Method::GET, url, &headers, "").await?;
        match answer.status {
            401 => return Ok(()),
            200 if began.elapsed() < REVOCATION => tokio::time::sleep(POLL).await,
            _ => return Err(answer.failure("still takes a token that was revoked")),
        }
    }
}

/// The header `Authorization` of `client`.
pub(super) fn basic(client: &ClientCredentials) -> String {
    secret::basic(&client.id, client.secret.expose_secret())
}
