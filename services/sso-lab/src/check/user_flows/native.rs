//! A native app (RFC 8252), as `sso-lab login` is one: the user's browser brings the
//! answer to a free port of loopback.

use kit::config::Site;

use super::{LOGIN, Scene, login::MAX_PAGES, public_client::PublicClient};
use crate::{
    check::{
        browser::Browser,
        outcome::{Failure, Found, Step, Stop, ensure},
        ready,
        run::Run,
    },
    login::{CLIENT_ID, Callback, Expected},
};

const NAME: &str = "native app: its user comes back to a free port of loopback";
const CALLS: &str = "native app: calls API-1 as its user";
const SCOPE: &str = "openid https://api-1/read";

/// `sub`: the user who is signed in.
pub(super) async fn check(run: &mut Run, scene: &Scene<'_>, browser: &mut Browser, sub: &str) {
    let plan = scene.plan;
    let token = run.step(NAME, &[LOGIN], signs_in(scene, browser)).await;
    if plan.without.contains(&Site::Api1) {
        run.skip(CALLS, "not reached from here (--without)");
        return;
    }
    let calls = calls(scene, token.unwrap_or_default(), sub);
    run.step(CALLS, &[NAME, &ready(Site::Api1)], calls).await;
}

/// RFC 8252 §7.3: the redirect URI is registered without a port. Returns an access token.
async fn signs_in(scene: &Scene<'_>, browser: &mut Browser) -> Step<String> {
    let issuer = &scene.plan.issuer;
    let port = |error| Failure::new(format!("no port of 127.0.0.1 can be opened: {error}"));
    let callback = Callback::open().await.map_err(port)?;
    let mut client = PublicClient::new(scene.plan, CLIENT_ID, callback.uri(), SCOPE);
    let expected = Expected {
        state: client.state.clone(),
        issuer: issuer.clone(),
        iss_is_required: true,
    };
    let code = tokio::select! {
        answer = callback.answer(expected) => answer,
        stuck = goes_through(browser, &client) => return Err(stuck),
    };
    let refused = |why| Failure::new(format!("the provider answered: {why}"));
    let token = client.redeem(&code.map_err(refused)?).await?;
    Ok(Found::new(token, ""))
}

/// The user agrees: a native app is never trusted without asking (RFC 8252 §8.6). Ends only
/// where the browser does not come back.
async fn goes_through(browser: &mut Browser, client: &PublicClient<'_>) -> Stop {
    match walk(browser, client).await {
        Err(stuck) => stuck,
        // The answer was taken, and this branch is dropped.
        Ok(()) => std::future::pending().await,
    }
}

async fn walk(browser: &mut Browser, client: &PublicClient<'_>) -> Result<(), Stop> {
    let issuer = &client.plan.issuer;
    let mut page = client.open(browser).await?;
    for _ in 0..MAX_PAGES {
        if !page.is_of(issuer) {
            break;
        }
        let form = browser.form();
        let form = form.ok_or_else(|| page.failure("has no form to agree"))?;
        page = browser.submit(&form).await?;
    }
    ensure(!page.is_of(issuer), || {
        page.failure("is the last page, which is not the app's")
    })?;
    page.expect(200)?;
    Ok(())
}

async fn calls(scene: &Scene<'_>, token: String, sub: &str) -> Step {
    let plan = scene.plan;
    let mut client = PublicClient::new(plan, CLIENT_ID, String::new(), SCOPE);
    let url = format!("{}/whoami", plan.url(Site::Api1));
    let answer = client.call(&url, &token).await?.expect(200)?;
    let said = answer.json()?;
    ensure(said["sub"] == sub && said["client_id"] == CLIENT_ID, || {
        answer.failure("takes the token for another user or client")
    })?;
    Ok(Found::new((), ""))
}
