//! The app's own certificate as its credential for API-1 (mTLS, RFC 8705), and with it the
//! app's word about the user (an identity header), where a login may choose them.

use kit::config::Site;

use super::{App, Scene, login::Login};
use crate::check::{
    browser::{Answer, Browser},
    outcome::{Found, Step, Stop, ensure},
    ready,
    run::Run,
};

/// `login`: the step that signed in to `app`. Where no login may choose, there is no step.
pub(super) async fn check(
    run: &mut Run,
    scene: &Scene<'_>,
    app: &App,
    (login, signing_in): (&str, &Login<'_>),
    browser: &mut Browser,
) {
    if app.query.is_empty() {
        return;
    }
    let bound = app.step("calls API-1 by its certificate, and the token is bound to it");
    let stated =
        app.step("states the user to API-1 by a header, on a connection with its certificate");
    if scene.plan.without.contains(&Site::Api1) {
        for name in [bound, stated] {
            run.skip(&name, "not reached from here (--without)");
        }
        return;
    }
    let needs = [login, &ready(Site::Api1)];
    let calling = by_certificate(app, signing_in, browser);
    run.step(&bound, &needs, calling).await;
    let calling = by_header(app, signing_in, browser);
    run.step(&stated, &needs, calling).await;
}

/// What API-1 knows by `method`, of a session that chose it; then the session is as before.
async fn whoami(
    app: &App,
    login: &Login<'_>,
    browser: &mut Browser,
    method: &str,
) -> Result<Answer, Stop> {
    let page = browser.get(&format!("{}/", app.url)).await?.expect(200)?;
    let offered = Offered::read(&page.body).ok_or_else(|| page.failure("offers no credentials"))?;
    if !offered.methods.contains(&method) {
        return Err(Stop::Skipped("the app has no certificate".to_owned()));
    }
    login.choose(browser, app, method).await?;
    let url = format!("{}/api1/whoami", app.url);
    let answer = browser.get(&url).await?;
    login.choose(browser, app, offered.used).await?;
    Ok(answer)
}

/// The app's certificate authenticates the app, and no user.
async fn by_certificate(app: &App, login: &Login<'_>, browser: &mut Browser) -> Step {
    let answer = whoami(app, login, browser, "mtls").await?.expect(200)?;
    let who = answer.json()?;
    ensure(who["cnf"]["x5t#S256"].is_string(), || {
        answer.failure("does not say that the token is bound to a certificate (cnf)")
    })?;
    ensure(who["sub"] == who["client_id"], || {
        answer.failure("names a user, although the app calls for itself")
    })?;
    let client = who["client_id"].as_str().unwrap_or_default();
    Ok(Found::new((), client.to_owned()))
}

/// API-1 knows the user by the app's word.
async fn by_header(app: &App, login: &Login<'_>, browser: &mut Browser) -> Step {
    let url = format!("{}/session", app.url);
    let session = browser.get(&url).await?.expect(200)?.json()?;
    let answer = whoami(app, login, browser, "identity_header").await?;
    if answer.is_refused_by_api() {
        let why = "API-1 does not take the app's word (API1_IDENTITY_CALLERS)";
        return Err(Stop::Skipped(why.to_owned()));
    }
    let answer = answer.expect(200)?;
    let who = answer.json()?;
    ensure(
        who["sub"].is_string() && who["sub"] == session["user"]["sub"],
        || answer.failure("does not name the user who is signed in"),
    )?;
    ensure(who["stated_by"].is_string(), || {
        answer.failure("does not name the certificate of who states it (stated_by)")
    })?;
    let by = who["stated_by"].as_str().unwrap_or_default();
    Ok(Found::new((), by.to_owned()))
}

/// The methods for API-1 on the app's page.
#[derive(Debug, PartialEq, Eq)]
struct Offered<'p> {
    methods: Vec<&'p str>,
    /// That of the session.
    used: &'p str,
}

impl<'p> Offered<'p> {
    fn read(page: &'p str) -> Option<Self> {
        let (_, rest) = page.split_once("name=\"api1_credential\"")?;
        let (options, _) = rest.split_once("</select>")?;
        let options = options.split("<option value=\"").skip(1);
        let options = options.filter_map(|option| option.split_once('"'));
        let options: Vec<_> = options.collect();
        let is_used = |rest: &str| rest.trim_start().starts_with("selected");
        let used = options.iter().find(|(_, rest)| is_used(rest))?.0;
        Some(Self {
            methods: options.into_iter().map(|(method, _)| method).collect(),
            used,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_methods_are_those_of_api_1_on_the_page() {
        let page = "<select name=\"mode\"><option value=\"x\" selected>x</option></select>\n\
                    <select id=\"a\" name=\"api1_credential\">\n<option value=\"refresh\">r</option>\n\
                    <option value=\"mtls\" selected>m</option>\n</select>\
                    <select name=\"api2_credential\"><option value=\"y\">y</option></select>";
        let expected = Offered {
            methods: vec!["refresh", "mtls"],
            used: "mtls",
        };
        assert_eq!(Offered::read(page), Some(expected));
        assert_eq!(Offered::read("<p>nothing</p>"), None);
    }
}
