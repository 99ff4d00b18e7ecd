//! How sessions end: one by its user's word, all by the provider's.

use kit::config::Site;
use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::{
    App, LOGIN, SSO, Scene,
    login::{arrived, no_form},
    until,
};
use crate::check::{
    browser::{Answer, Browser},
    form::Form,
    outcome::{Failure, Found, Step, Stop, done, ensure},
    ready,
    run::Run,
    signed_out::session_of,
};

const SECOND: &str = "app1: a second session of the same user";
const ENDED: &str = "app1: ends it from the first one; it can call and refresh no more";
const OUT: &str = "app1: signs out everywhere, by way of the provider";
const TOLD: &str = "app2: its session has ended too (back-channel logout)";
const ASKS: &str = "idp: asks for the password again";
const CLEANED: &str = "signs out what is left signed in";

pub(super) async fn check(run: &mut Run, scene: &Scene<'_>, browser: &mut Browser<'_>) {
    let [first, second] = &scene.apps;
    let endings = Endings { scene, first };
    let mut other = browser.only(&endings.idp_host());
    let beginning = endings.begin_second(browser, &mut other);
    let handle = run.step(SECOND, &[LOGIN], beginning).await;
    let ending = endings.end_second(browser, &mut other, handle.unwrap_or_default());
    run.step(ENDED, &[SECOND], ending).await;
    run.step(OUT, &[LOGIN], endings.sign_out(browser)).await;
    run.step(TOLD, &[OUT, SSO], endings.is_told(browser, second))
        .await;
    run.step(ASKS, &[OUT], endings.asks_again(browser)).await;
    let idp = ready(Site::Idp);
    if run.is_good(&idp) && !(run.is_good(OUT) && run.is_good(TOLD) && run.is_good(ENDED)) {
        let apps = scene
            .apps
            .iter()
            .filter(|app| run.is_good(&ready(app.site)));
        let apps: Vec<_> = apps.collect();
        let mut browsers = [browser, &mut other];
        let cleaning = endings.clean(&mut browsers, &apps);
        run.step(CLEANED, &[], cleaning).await;
    }
}

struct Endings<'a> {
    scene: &'a Scene<'a>,
    first: &'a App,
}

impl Endings<'_> {
    fn idp_host(&self) -> String {
        let url = Url::parse(&self.scene.plan.issuer).ok();
        let host = url.as_ref().and_then(Url::host_str);
        host.unwrap_or_default().to_owned()
    }

    /// A browser whose user is signed in at the provider, and not at the app.
    /// What names the new session to the first one: `None` where that cannot be
    /// told.
    async fn begin_second(
        &self,
        browser: &mut Browser<'_>,
        other: &mut Browser<'_>,
    ) -> Step<Option<String>> {
        let app = self.first;
        let before = self.sessions(browser).await?;
        let page = other.open(&app.login_url()).await?;
        no_form(page, &self.scene.plan.issuer, app)?;
        if app.is_kept() {
            let own = self.sessions(other).await?;
            let own = own.iter().find(|one| one["current"] == true);
            let own = own.ok_or_else(|| Failure::new("no listed session is the current one"))?;
            return Ok(Found::new(Some(handle(own)), ""));
        }
        // What the provider calls it, which the session itself is not told.
        let known: Vec<_> = before.iter().map(handle).collect();
        let after = self.sessions(browser).await?;
        let mut new = after.iter().map(handle).filter(|one| !known.contains(one));
        Ok(match (new.next(), new.next()) {
            (Some(only), None) => Found::new(Some(only), ""),
            _ => Found::new(None, "which of the new ones it is cannot be told"),
        })
    }

    async fn sessions(&self, browser: &mut Browser<'_>) -> Result<Vec<Value>, Failure> {
        let url = format!("{}/sessions", self.first.url);
        let answer = browser.get(&url).await?.expect(200)?;
        let json = answer.json()?;
        let all = json.as_array().cloned();
        all.ok_or_else(|| answer.failure("lists no sessions"))
    }

    /// Ended by the first session, or where that could hit another one, by itself.
    async fn end_second(
        &self,
        browser: &mut Browser<'_>,
        other: &mut Browser<'_>,
        handle: Option<String>,
    ) -> Step {
        let app = self.first;
        let note = if let Some(handle) = handle {
            let url = format!("{}/sessions/{handle}", app.url);
            let proof = [("x-csrf", "1")];
            let answer = browser.call(Method::DELETE, &url, &proof, None).await?;
            let answer = answer.expect(200)?;
            ensure(answer.json()?["current"] == false, || {
                answer.failure("ended the session that asked")
            })?;
            ""
        } else {
            self.log_out(other, app, "app").await?;
            "by its own sign-out: others signed in meanwhile"
        };
        // Nothing was called yet, so nothing of it is in the browser.
        let call = format!("{}/api2/data", app.url);
        until(async || Ok(other.get(&call).await?.status == 401)).await?;
        if app.is_kept() {
            until(async || is_signed_out(other, app).await).await?;
        }
        ensure(!is_signed_out(browser, app).await?, || {
            Failure::new("the session that ended it is over as well")
        })?;
        Ok(Found::new((), note))
    }

    async fn log_out(
        &self,
        browser: &mut Browser<'_>,
        app: &App,
        scope: &str,
    ) -> Result<Answer, Failure> {
        let url = format!("{}/logout?scope={scope}", app.url);
        let headers = [("x-csrf", "1"), ("accept", "application/json")];
        let answer = browser.call(Method::POST, &url, &headers, None).await?;
        answer.expect(200)
    }

    async fn sign_out(&self, browser: &mut Browser<'_>) -> Step {
        let app = self.first;
        let answer = self.log_out(browser, app, "").await?;
        let said = answer.json()?;
        ensure(said["ends"] == "everywhere", || {
            answer.failure("ends this app's session alone: it has not reached the provider")
        })?;
        let to = said["redirect_to"].as_str().unwrap_or_default();
        arrived(browser.open(to).await?, app)?;
        ensure(is_signed_out(browser, app).await?, || {
            answer.failure("came, and yet somebody is signed in")
        })?;
        Ok(done())
    }

    /// Another app hears of it. Where no store holds its sessions, nobody can
    /// end them but their browser.
    async fn is_told(&self, browser: &mut Browser<'_>, app: &App) -> Step {
        if !app.is_kept() {
            let why = "a stateless session is nowhere but in its browser, and lasts until its token is renewed";
            return Err(Stop::Skipped(why.to_owned()));
        }
        until(async || is_signed_out(browser, app).await).await?;
        if matches!(app.mode.as_str(), "stateful" | "cached") {
            let call = format!("{}/api1/data", app.url);
            until(async || Ok(browser.get(&call).await?.status == 401)).await?;
        }
        Ok(done())
    }

    async fn asks_again(&self, browser: &mut Browser<'_>) -> Step {
        let page = browser.open(&self.first.login_url()).await?;
        let form = Form::first(&page.url, &page.body);
        let asks =
            page.is_of(&self.scene.plan.issuer) && form.is_some_and(|form| form.has("password"));
        ensure(asks, || page.failure("is no form that asks who it is"))?;
        Ok(done())
    }

    /// Whatever of it is still signed in, and at the provider last.
    async fn clean(&self, browsers: &mut [&mut Browser<'_>], apps: &[&App]) -> Step {
        for browser in browsers {
            for app in apps {
                self.log_out(browser, app, "app").await?;
            }
            let url = format!("{}/logout", self.scene.plan.issuer);
            let page = browser.open(&url).await?.expect(200)?;
            if let Some(form) = Form::first(&page.url, &page.body) {
                browser.submit(form).await?.expect(200)?;
            }
        }
        Ok(done())
    }
}

async fn is_signed_out(browser: &mut Browser<'_>, app: &App) -> Result<bool, Failure> {
    Ok(session_of(browser, &app.url).await?["authenticated"] == false)
}

fn handle(session: &Value) -> String {
    session["handle"].as_str().unwrap_or_default().to_owned()
}
