//! A device without a browser of its own (RFC 8628): its user allows it access in the
//! user's browser.

use kit::config::Site;
use reqwest::Method;
use serde_json::Value;
use url::form_urlencoded;

use super::{LOGIN, Scene};
use crate::check::{
    browser::{Answer, Browser},
    outcome::{Failure, Found, Step, Stop, done, ensure},
    ready,
    run::Run,
};

/// The client on the device.
const CLIENT: &str = "tv";
const SCOPE: &str = "openid offline_access https://api-1/read";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

const ASKS: &str = "tv: asks for its codes";
const ALLOWED: &str = "tv: its user compares the code and allows access";
const TOKENS: &str = "tv: gets its tokens";
const CALLS: &str = "tv: calls API-1 as its user";
const ENDS: &str = "tv: has no access when its token is revoked";

/// `sub`: the user who is signed in.
pub(super) async fn check(run: &mut Run, scene: &Scene<'_>, browser: &mut Browser, sub: &str) {
    let plan = scene.plan;
    let mut device = Device {
        issuer: &plan.issuer,
        client: Browser::new(&plan.transport),
    };
    let codes = run.step(ASKS, &[LOGIN], device.asks()).await;
    let codes = codes.unwrap_or_default();
    run.step(ALLOWED, &[ASKS], allows(browser, &codes)).await;
    let tokens = run.step(TOKENS, &[ALLOWED], device.redeems(&codes)).await;
    let tokens = tokens.unwrap_or_default();
    if plan.without.contains(&Site::Api1) {
        run.skip(CALLS, "not reached from here (--without)");
    } else {
        let api = plan.url(Site::Api1);
        let calls = device.calls(&api, &tokens, sub);
        run.step(CALLS, &[TOKENS, &ready(Site::Api1)], calls).await;
    }
    run.step(ENDS, &[TOKENS], device.ends(&tokens)).await;
}

/// The device, which has no cookies.
struct Device<'a> {
    issuer: &'a str,
    client: Browser,
}

impl Device<'_> {
    async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Result<Answer, Failure> {
        let url = format!("{}{path}", self.issuer);
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", CLIENT)
            .extend_pairs(form)
            .finish();
        self.client.call(Method::POST, &url, &kind, &body).await
    }

    /// RFC 8628 §3.2.
    async fn asks(&mut self) -> Step<Value> {
        let answer = self.post("/device_authorization", &[("scope", SCOPE)]);
        let answer = answer.await?;
        if answer.status == 401 {
            let why = format!("this deployment has no client {CLIENT}");
            return Err(Stop::Skipped(why));
        }
        let answer = answer.expect(200)?;
        let codes = answer.json()?;
        let page = format!("{}/device", self.issuer);
        ensure(text(&codes, "verification_uri") == page, || {
            answer.failure("names another page than the issuer's /device")
        })?;
        Ok(Found::new(codes, ""))
    }

    /// RFC 8628 §3.4.
    async fn redeems(&mut self, codes: &Value) -> Step<Value> {
        let form = [
            ("grant_type", GRANT),
            ("device_code", text(codes, "device_code")),
        ];
        let tokens = self.post("/token", &form).await?.expect(200)?.json()?;
        Ok(Found::new(tokens, ""))
    }

    async fn calls(&mut self, api: &str, tokens: &Value, sub: &str) -> Step {
        let bearer = format!("Bearer {}", text(tokens, "access_token"));
        let headers = [("authorization", bearer.as_str())];
        let url = format!("{api}/whoami");
        let answer = self.client.call(Method::GET, &url, &headers, "").await?;
        let answer = answer.expect(200)?;
        let said = answer.json()?;
        ensure(said["sub"] == sub && said["client_id"] == CLIENT, || {
            answer.failure("takes the token for another user or client")
        })?;
        Ok(done())
    }

    /// RFC 7009 §2.1.
    async fn ends(&mut self, tokens: &Value) -> Step {
        let token = text(tokens, "refresh_token");
        self.post("/revoke", &[("token", token)])
            .await?
            .expect(200)?;
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        let answer = self.post("/token", &form).await?.expect(400)?;
        ensure(answer.json()?["error"] == "invalid_grant", || {
            answer.failure("is not invalid_grant")
        })?;
        Ok(done())
    }
}

/// The user opens the device's link, compares the code and allows access (RFC 8628 §3.3).
async fn allows(browser: &mut Browser, codes: &Value) -> Step {
    let page = browser.open(text(codes, "verification_uri_complete"));
    let page = page.await?.expect(200)?;
    let page = go_on(browser, &page).await?;
    ensure(page.body.contains(text(codes, "user_code")), || {
        page.failure("does not show the code to compare it")
    })?;
    go_on(browser, &page).await?;
    Ok(done())
}

/// Submits the form of `page`, which has the code.
async fn go_on(browser: &mut Browser, page: &Answer) -> Result<Answer, Failure> {
    let form = browser.form().filter(|form| form.has("user_code"));
    let form = form.ok_or_else(|| page.failure("has no form with the code"))?;
    browser.submit(&form).await?.expect(200)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}
