//! Signing in through the provider's form, and without it.

use secrecy::ExposeSecret as _;

use super::App;
use crate::check::{
    args::User,
    browser::{Answer, Browser},
    form::Form,
    outcome::{Failure, Found, Step, done, ensure},
    signed_out::session_of,
};

pub(super) const LOGIN: &str = "app1: sign in by the provider's form";
pub(super) const SSO: &str = "app2: signed in without a form (single sign-on)";
/// The most pages of the provider on the way: the password, consent.
const MAX_PAGES: usize = 4;

/// Who signs in, and where.
pub(super) struct Login<'a> {
    pub(super) issuer: &'a str,
    pub(super) user: &'a User,
}

impl Login<'_> {
    /// Signs in to `app`; gives the user's `sub`.
    pub(super) async fn sign_in(&self, browser: &mut Browser<'_>, app: &App) -> Step<String> {
        let mut page = browser.open(&app.login_url()).await?;
        let mut asked = false;
        for _ in 0..MAX_PAGES {
            if !page.is_of(self.issuer) {
                break;
            }
            let form = self.form(&page, asked)?;
            asked |= form.has("password");
            page = browser.submit(form).await?;
        }
        let page = arrived(page, app)?;
        ensure(asked, || {
            page.failure("came without a form: somebody is signed in")
        })?;
        let (sub, name) = self.session(browser, app, &page).await?;
        Ok(Found::new(sub, format!("{name}, {}", app.mode)))
    }

    /// Signs in to `app` with the provider's session; it must be the user `sub`.
    pub(super) async fn single_sign_on(
        &self,
        browser: &mut Browser<'_>,
        app: &App,
        sub: &str,
    ) -> Step {
        let page = self.without_form(browser, app).await?;
        let (same, _) = self.session(browser, app, &page).await?;
        ensure(same == sub, || page.failure("signed in another user"))?;
        Ok(Found::new((), app.mode.as_str()))
    }

    /// Opens `app`'s login, which must not ask for anything.
    async fn without_form(&self, browser: &mut Browser<'_>, app: &App) -> Result<Answer, Failure> {
        no_form(browser.open(&app.login_url()).await?, self.issuer, app)
    }

    /// The provider's form, filled in.
    fn form(&self, page: &Answer, asked: bool) -> Result<Form, Failure> {
        if page.status == 429 {
            let wait = page.header("retry-after").unwrap_or("some");
            return Err(page.failure(&format!(
                "says that there were too many attempts; wait {wait} s"
            )));
        }
        let form = Form::first(&page.url, &page.body);
        let form = form.ok_or_else(|| page.failure("has no form to go on with"))?;
        let name = &self.user.name;
        if form.has("otp") {
            let what = format!("asks {name:?} for a second factor; choose a user without one");
            return Err(page.failure(&what));
        }
        if !form.has("password") {
            return Ok(form);
        }
        if asked {
            let what = format!("asks again: the password of {name:?} was not taken");
            return Err(page.failure(&what));
        }
        let password = self.user.password.expose_secret();
        Ok(form.fill("username", name).fill("password", password))
    }

    /// `sub` and name of whom the app takes the browser for.
    async fn session(
        &self,
        browser: &mut Browser<'_>,
        app: &App,
        page: &Answer,
    ) -> Result<(String, String), Failure> {
        let session = session_of(browser, &app.url).await?;
        ensure(session["authenticated"] == true, || {
            let why = browser
                .jar
                .first_refusal()
                .unwrap_or("no session came of it");
            page.failure(&format!("came, and yet nobody is signed in ({why})"))
        })?;
        ensure(app.mode.is_empty() || session["mode"] == app.mode, || {
            let mode = &session["mode"];
            page.failure(&format!(
                "began a session that is {mode} and not {}",
                app.mode
            ))
        })?;
        let of = |name: &str| {
            session["user"][name]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let (sub, name) = (of("sub"), of("name"));
        ensure(!sub.is_empty(), || {
            page.failure("began a session without a sub")
        })?;
        Ok((sub, name))
    }
}

/// `page` is the app's own, or it says what is wrong.
pub(super) fn arrived(page: Answer, app: &App) -> Result<Answer, Failure> {
    ensure(page.is_of(&app.url), || {
        page.failure("is where it ended, and not at the app")
    })?;
    page.expect(200)
}

/// `page` is where a login led; it asked for nothing on the way.
pub(super) fn no_form(page: Answer, issuer: &str, app: &App) -> Result<Answer, Failure> {
    ensure(!page.is_of(issuer), || {
        page.failure("asks again, although the provider should know the browser")
    })?;
    arrived(page, app)
}

/// What the browser holds of `app` is kept from scripts and other sites.
pub(super) fn cookies(browser: &Browser<'_>, app: &App) -> Step {
    let url: url::Url = app
        .url
        .parse()
        .map_err(|error| Failure::new(format!("{}: {error}", app.url)))?;
    let host = url.host_str().unwrap_or_default();
    let jar = &browser.jar;
    let refused = jar.first_refusal().map(ToOwned::to_owned);
    match refused.or_else(|| jar.unsafe_cookie(host)) {
        Some(what) => Err(Failure::new(what).into()),
        None => Ok(done()),
    }
}
