//! Opaque access tokens, where the deployment has them: an API asks the provider about such
//! a token (RFC 7662), so that a revocation (RFC 7009) counts soon.

use std::time::{Duration, Instant};

use kit::config::Site;

use super::{
    args::Plan,
    browser::Browser,
    machine::{at_each_api, post_as, token, whoami},
    outcome::{Found, Step, Stop, ensure},
    run::Run,
};
use crate::batch::ClientCredentials;

/// How long an API may use what it was told before a revocation: the longest
/// INTROSPECTION_CACHE.
const REVOCATION: Duration = Duration::from_secs(301);
/// The pause between two calls.
const POLL: Duration = Duration::from_millis(250);

pub(super) async fn check(run: &mut Run, plan: &Plan, token_endpoint: &str) {
    let name = |api: &str| format!("{api}: refuses an opaque token that was revoked");
    at_each_api(run, plan, name, async |client, api| {
        ends_by_revocation(plan, client, token_endpoint, api).await
    })
    .await;
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
    let answer = whoami(&mut browser, plan, api, &token).await?.expect(200)?;
    ensure(answer.json()?["client_id"] == *client.id, || {
        answer.failure("does not name the client")
    })?;
    let revoke = format!("{}/revoke", plan.issuer);
    post_as(&mut browser, client, &revoke, &[("token", &token)]).await?;
    let began = Instant::now();
    loop {
        let answer = whoami(&mut browser, plan, api, &token).await?;
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
