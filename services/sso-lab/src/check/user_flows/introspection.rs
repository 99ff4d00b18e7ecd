//! A resource server learns at once that a token was revoked (RFC 7662): the page of
//! API-1's documentation signs the user in, and its token is revoked.

use kit::config::Site;
use serde_json::json;
use url::Url;

use super::{LOGIN, Scene, public_client::PublicClient};
use crate::{
    batch::ClientCredentials,
    check::{
        browser::{Answer, Browser},
        machine::basic,
        outcome::{Failure, Found, Step, Stop, ensure},
        provider::is_from,
        ready,
        run::Run,
    },
};

const NAME: &str = "api1: learns at once that a token was revoked (introspection)";
/// The client that gets the token: a public one, without a consent page.
const CLIENT: &str = "api1_docs";
const SCOPE: &str = "openid https://api-1/read";

/// `sub`: the user who is signed in.
pub(super) async fn check(run: &mut Run, scene: &Scene<'_>, browser: &mut Browser, sub: &str) {
    let plan = scene.plan;
    match &plan.api1_client {
        _ if plan.without.contains(&Site::Api1) => run.skip(NAME, "excluded (--without)"),
        None => run.skip(
            NAME,
            "no secret of API-1's client given (--api1-client-secret-file)",
        ),
        Some(resource_server) => {
            let redirect_uri = format!("{}/docs/oauth2-redirect.html", plan.url(Site::Api1));
            let introspection = Introspection {
                client: PublicClient::new(plan, CLIENT, redirect_uri, SCOPE),
                resource_server,
            };
            let step = introspection.check(browser, sub);
            run.step(NAME, &[LOGIN, &ready(Site::Api1)], step).await;
        }
    }
}

struct Introspection<'a> {
    client: PublicClient<'a>,
    resource_server: &'a ClientCredentials,
}

impl Introspection<'_> {
    async fn check(mut self, browser: &mut Browser, sub: &str) -> Step {
        let token = self.token(browser).await?;
        let before = self.introspect(&token).await?;
        let live = before.json()?;
        ensure(
            live["active"] == true && live["sub"] == sub && live["client_id"] == CLIENT,
            || before.failure("does not say that the token is active, and whose it is"),
        )?;
        let form = [("client_id", CLIENT), ("token", token.as_str())];
        let revoked = self.client.post("/revoke", &form, None).await?;
        revoked.expect(200)?;
        let after = self.introspect(&token).await?;
        ensure(after.json()? == json!({"active": false}), || {
            after.failure("is not only that the revoked token is inactive")
        })?;
        Ok(Found::new((), "active, revoked, inactive"))
    }

    /// An access token to API-1 for the user who is signed in.
    async fn token(&mut self, browser: &mut Browser) -> Result<String, Stop> {
        let page = self.client.open(browser).await?;
        let code = code(&page, &self.client.plan.issuer, &self.client.state)?;
        Ok(self.client.redeem(&code).await?)
    }

    async fn introspect(&mut self, token: &str) -> Result<Answer, Failure> {
        let credentials = basic(self.resource_server);
        let form = [("token", token)];
        let answer = self.client.post("/introspect", &form, Some(&credentials));
        answer.await?.expect(200)
    }
}

/// The code in the authorization response, of which `page` is the last page.
fn code(page: &Answer, issuer: &str, state: &str) -> Result<String, Failure> {
    is_from(issuer, &page.url)?;
    let of = |url: &Url, name: &str| {
        let mut pairs = url.query_pairs();
        let value = pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()));
        value.unwrap_or_default()
    };
    let code = of(&page.url, "code");
    ensure(!code.is_empty() && of(&page.url, "state") == state, || {
        page.failure("has no code for the request")
    })?;
    Ok(code)
}
