//! Ends of sessions: one by its user, all by signing out at the provider.

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
    outcome::{Failure, Found, Step, Stop, done, ensure},
    ready,
    run::Run,
    signed_out::session_of,
};

const SECOND: &str = "app1: begins a second session of the same user";
const ENDED: &str = "app1: one session ends the other; it cannot call or refresh";
const OUT: &str = "app1: signs out everywhere through the provider";
const TOLD: &str = "app2: its session has ended (back-channel logout)";
const ASKS: &str = "idp: asks for the password again";
const CLEANED: &str = "signs out the remaining sessions";

pub(super) async fn check(run: &mut Run, scene: &Scene<'_>, browser: &mut Browser) {
    let [first, second] = &scene.apps;
    let endings = Endings { scene, first };
    let mut other = browser.second_profile(&endings.idp_host());
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

    /// Signs in at the app in `other`, whose user is signed in at the provider only.
    /// Returns the handle by which the first session can end the new one, if it is known.
    async fn begin_second(
        &self,
        browser: &mut Browser,
        other: &mut Browser,
    ) -> Step<Option<String>> {
        let app = self.first;
        let before = self.sessions(browser).await?;
        let page = other.open(&app.login_url()).await?;
        no_form(page, &self.scene.plan.issuer, app)?;
        if app.has_stored_sessions() {
            let own = self.sessions(other).await?;
            let own = own.iter().find(|one| one["current"] == true);
            let own =
                own.ok_or_else(|| Failure::new("no session in the list is the current one"))?;
            return Ok(Found::new(Some(handle(own)), ""));
        }
        // The provider's handle, which the session itself does not know.
        let known: Vec<_> = before.iter().map(handle).collect();
        let after = self.sessions(browser).await?;
        let mut new = after.iter().map(handle).filter(|one| !known.contains(one));
        Ok(match (new.next(), new.next()) {
            (Some(only), None) => Found::new(Some(only), ""),
            _ => Found::new(
                None,
                "several sessions began at once, so its handle is not known",
            ),
        })
    }

    async fn sessions(&self, browser: &mut Browser) -> Result<Vec<Value>, Failure> {
        let url = format!("{}/sessions", self.first.url);
        let answer = browser.get(&url).await?.expect(200)?;
        let json = answer.json()?;
        let all = json.as_array().cloned();
        all.ok_or_else(|| answer.failure("is not a list of sessions"))
    }

    /// The first session ends the second, or the second ends itself if its handle is not
    /// known.
    async fn end_second(
        &self,
        browser: &mut Browser,
        other: &mut Browser,
        handle: Option<String>,
    ) -> Step {
        let app = self.first;
        let note = if let Some(handle) = handle {
            let url = format!("{}/sessions/{handle}", app.url);
            let proof = [("x-csrf", "1")];
            let answer = browser.call(Method::DELETE, &url, &proof, "").await?;
            let answer = answer.expect(200)?;
            ensure(answer.json()?["current"] == false, || {
                answer.failure("ended the current session instead")
            })?;
            ""
        } else {
            self.log_out(other, app, "app").await?;
            "it signed itself out: its handle is not known"
        };
        // It has made no call, so the browser has no access token for API-2.
        let call = format!("{}/api2/data", app.url);
        until(async || Ok(other.get(&call).await?.status == 401)).await?;
        if app.has_stored_sessions() {
            until(async || is_signed_out(other, app).await).await?;
        }
        ensure(!is_signed_out(browser, app).await?, || {
            Failure::new("the session that ended it has ended too")
        })?;
        Ok(Found::new((), note))
    }

    async fn log_out(
        &self,
        browser: &mut Browser,
        app: &App,
        scope: &str,
    ) -> Result<Answer, Failure> {
        let url = format!("{}/logout?scope={scope}", app.url);
        let headers = [("x-csrf", "1"), ("accept", "application/json")];
        let answer = browser.call(Method::POST, &url, &headers, "").await?;
        answer.expect(200)
    }

    async fn sign_out(&self, browser: &mut Browser) -> Step {
        let app = self.first;
        let answer = self.log_out(browser, app, "").await?;
        let said = answer.json()?;
        ensure(said["ends"] == "everywhere", || {
            answer.failure("ends only this app's session: the app could not reach the provider")
        })?;
        let to = said["redirect_to"].as_str().unwrap_or_default();
        arrived(browser.open(to).await?, app)?;
        ensure(is_signed_out(browser, app).await?, || {
            answer.failure("is the app's page, but the user is still signed in")
        })?;
        Ok(done())
    }

    /// The other app ends its session too. A session that is only in cookies can be ended
    /// only by its browser.
    async fn is_told(&self, browser: &mut Browser, app: &App) -> Step {
        if !app.has_stored_sessions() {
            let why =
                "a stateless session is only in the browser, and lasts until its next renewal";
            return Err(Stop::Skipped(why.to_owned()));
        }
        until(async || is_signed_out(browser, app).await).await?;
        if matches!(app.mode.as_str(), "stateful" | "cached") {
            let call = format!("{}/api1/data", app.url);
            until(async || Ok(browser.get(&call).await?.status == 401)).await?;
        }
        Ok(done())
    }

    async fn asks_again(&self, browser: &mut Browser) -> Step {
        let page = browser.open(&self.first.login_url()).await?;
        let form = browser.form().filter(|form| form.has("password"));
        let asks = form.is_some() && page.is_of(&self.scene.plan.issuer);
        ensure(asks, || page.failure("is not the provider's sign-in form"))?;
        Ok(done())
    }

    /// Signs out at the apps, and then at the provider.
    async fn clean(&self, browsers: &mut [&mut Browser], apps: &[&App]) -> Step {
        for browser in browsers {
            for app in apps {
                self.log_out(browser, app, "app").await?;
            }
            let url = format!("{}/logout", self.scene.plan.issuer);
            browser.open(&url).await?.expect(200)?;
            if let Some(form) = browser.form() {
                browser.submit(&form).await?.expect(200)?;
            }
        }
        Ok(done())
    }
}

async fn is_signed_out(browser: &mut Browser, app: &App) -> Result<bool, Failure> {
    Ok(session_of(browser, &app.url).await?["authenticated"] == false)
}

fn handle(session: &Value) -> String {
    session["handle"].as_str().unwrap_or_default().to_owned()
}
