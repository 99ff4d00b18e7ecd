//! A resource server learns at once that a token was revoked (RFC 7662): the page of
//! API-1's documentation signs the user in, and its token is revoked.

use kit::{
    config::Site,
    random::{OsRandom, Random},
};
use oauth_types::pkce;
use reqwest::Method;
use serde_json::json;
use url::{Url, form_urlencoded};

use super::{LOGIN, Scene};
use crate::{
    batch::ClientCredentials,
    check::{
        args::Plan,
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
            let introspection = Introspection {
                plan,
                resource_server,
                direct: Browser::new(&plan.transport),
            };
            let step = introspection.play(browser, sub);
            run.step(NAME, &[LOGIN, &ready(Site::Api1)], step).await;
        }
    }
}

struct Introspection<'a> {
    plan: &'a Plan,
    resource_server: &'a ClientCredentials,
    /// Calls that no browser makes.
    direct: Browser,
}

impl Introspection<'_> {
    async fn play(mut self, browser: &mut Browser, sub: &str) -> Step {
        let token = self.token(browser).await?;
        let before = self.introspect(&token).await?;
        let live = before.json()?;
        ensure(
            live["active"] == true && live["sub"] == sub && live["client_id"] == CLIENT,
            || before.failure("does not say that the token is active, and whose it is"),
        )?;
        let form = [("client_id", CLIENT), ("token", token.as_str())];
        self.post("/revoke", &form, None).await?.expect(200)?;
        let after = self.introspect(&token).await?;
        ensure(after.json()? == json!({"active": false}), || {
            after.failure("is not only that the revoked token is inactive")
        })?;
        Ok(Found::new((), "active, revoked, inactive"))
    }

    /// An access token to API-1 for the user who is signed in.
    async fn token(&mut self, browser: &mut Browser) -> Result<String, Stop> {
        let random: &dyn Random = &OsRandom;
        let (verifier, state) = (format!("{}{}", random.id(), random.id()), random.id());
        let redirect_uri = format!("{}/docs/oauth2-redirect.html", self.plan.url(Site::Api1));
        let request = [
            ("client_id", CLIENT),
            ("redirect_uri", &redirect_uri),
            ("response_type", "code"),
            ("scope", SCOPE),
            ("state", &state),
            ("code_challenge", &pkce::challenge(&verifier)),
            ("code_challenge_method", pkce::S256),
        ];
        let request = encoded(&request);
        let url = format!("{}/authorize?{request}", self.plan.issuer);
        let page = browser.open(&url).await?;
        if page.is_of(&self.plan.issuer) && page.status == 400 {
            let why = format!("this deployment has no client {CLIENT}");
            return Err(Stop::Skipped(why));
        }
        let code = code(&page, &self.plan.issuer, &state)?;
        let form = [
            ("client_id", CLIENT),
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", &verifier),
        ];
        let tokens = self.post("/token", &form, None).await?.expect(200)?;
        let json = tokens.json()?;
        let token = json["access_token"].as_str();
        Ok(token
            .ok_or_else(|| tokens.failure("has no access token"))?
            .to_owned())
    }

    async fn introspect(&mut self, token: &str) -> Result<Answer, Failure> {
        let credentials = basic(self.resource_server);
        let form = [("token", token)];
        let answer = self.post("/introspect", &form, Some(&credentials)).await?;
        answer.expect(200)
    }

    async fn post(
        &mut self,
        path: &str,
        form: &[(&str, &str)],
        credentials: Option<&str>,
    ) -> Result<Answer, Failure> {
        let url = format!("{}{path}", self.plan.issuer);
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.extend(credentials.map(|value| ("authorization", value)));
        self.direct
            .call(Method::POST, &url, &headers, &encoded(form))
            .await
    }
}

fn encoded(form: &[(&str, &str)]) -> String {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(form).finish()
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
