//! Signing in, with the provider's form and without it.

use headless_browser::{Cookie, Form, SameSite};
use secrecy::ExposeSecret as _;

use super::App;
use crate::check::{
    args::User,
    browser::{Answer, Browser},
    outcome::{Failure, Found, Step, done, ensure},
    signed_out::session_of,
};

pub(super) const LOGIN: &str = "app1: signs in with the provider's form";
pub(super) const SSO: &str = "app2: signs in without a form (single sign-on)";
/// The maximum number of the provider's pages in a login, such as sign-in and consent.
pub(super) const MAX_PAGES: usize = 4;

/// The user, and the provider.
pub(super) struct Login<'a> {
    pub(super) issuer: &'a str,
    pub(super) user: &'a User,
}

impl Login<'_> {
    /// Signs in to `app`. Returns the user's `sub`.
    pub(super) async fn sign_in(&self, browser: &mut Browser, app: &App) -> Step<String> {
        let mut page = browser.open(&app.login_url()).await?;
        let mut asked = false;
        for _ in 0..MAX_PAGES {
            if !page.is_of(self.issuer) {
                break;
            }
            let form = self.form(&page, browser.form(), asked)?;
            asked |= form.has("password");
            page = browser.submit(&form).await?;
        }
        let page = arrived(page, app)?;
        ensure(asked, || {
            page.failure(
                "is the app's page, without a sign-in form before: a user is signed in already",
            )
        })?;
        let (sub, name) = self.session(browser, app, &page).await?;
        Ok(Found::new(sub, format!("{name}, {}", app.mode)))
    }

    /// Signs in to `app` with the provider's session; it must be the user `sub`.
    pub(super) async fn single_sign_on(&self, browser: &mut Browser, app: &App, sub: &str) -> Step {
        let page = self.without_form(browser, app).await?;
        let (same, _) = self.session(browser, app, &page).await?;
        ensure(same == sub, || page.failure("signed in another user"))?;
        Ok(Found::new((), app.mode.as_str()))
    }

    /// Begins another session of the user who is signed in to `app`, which gets its
    /// credentials by the methods `chosen`, each with the field that chooses it.
    pub(super) async fn choose(
        &self,
        browser: &mut Browser,
        app: &App,
        chosen: &[(&str, &str)],
    ) -> Result<(), Failure> {
        let mut url = app.login_url();
        for (field, method) in chosen {
            url.extend(["&", field, "=", method]);
        }
        let page = no_form(browser.open(&url).await?, self.issuer, app)?;
        self.session(browser, app, &page).await.map(drop)
    }

    /// Opens `app`'s login, which must show no form.
    async fn without_form(&self, browser: &mut Browser, app: &App) -> Result<Answer, Failure> {
        no_form(browser.open(&app.login_url()).await?, self.issuer, app)
    }

    /// The provider's form, filled in.
    fn form(&self, page: &Answer, form: Option<Form>, asked: bool) -> Result<Form, Failure> {
        if page.status == 429 {
            let wait = page.header("retry-after").unwrap_or("some");
            return Err(page.failure(&format!("refuses after too many attempts; wait {wait} s")));
        }
        let form = form.ok_or_else(|| page.failure("has no form"))?;
        let name = &self.user.name;
        if form.has("otp") {
            let what = format!("asks {name:?} for a second factor; choose a user without one");
            return Err(page.failure(&what));
        }
        if !form.has("password") {
            return Ok(form);
        }
        if asked {
            let what = format!("asks again: the password of {name:?} was refused");
            return Err(page.failure(&what));
        }
        let password = self.user.password.expose_secret();
        form.fill(&[("username", name), ("password", password)])
            .map_err(|error| page.failure(&format!("has an incomplete form: {error}")))
    }

    /// `sub` and name of the user who is signed in at the app.
    async fn session(
        &self,
        browser: &mut Browser,
        app: &App,
        page: &Answer,
    ) -> Result<(String, String), Failure> {
        let session = session_of(browser, &app.url).await?;
        ensure(session["authenticated"] == true, || {
            let jar = browser.jar();
            let why = jar
                .refused()
                .first()
                .map_or("there is no session", |why| why);
            page.failure(&format!(
                "is the app's page, but no user is signed in ({why})"
            ))
        })?;
        ensure(app.mode.is_empty() || session["mode"] == app.mode, || {
            let mode = &session["mode"];
            page.failure(&format!(
                "began a session in mode {mode} instead of {}",
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

/// `page`, if it is the app's.
pub(super) fn arrived(page: Answer, app: &App) -> Result<Answer, Failure> {
    ensure(page.is_of(&app.url), || {
        page.failure("is the last page, which is not the app's")
    })?;
    page.expect(200)
}

/// `page`, if a login ended at the app without showing a form.
pub(super) fn no_form(page: Answer, issuer: &str, app: &App) -> Result<Answer, Failure> {
    ensure(!page.is_of(issuer), || {
        page.failure("is a form, although the user is signed in at the provider")
    })?;
    arrived(page, app)
}

/// The cookies of `app` are hidden from scripts and other sites.
pub(super) fn cookies(browser: &Browser, app: &App) -> Step {
    let url: url::Url = app
        .url
        .parse()
        .map_err(|error| Failure::new(format!("{}: {error}", app.url)))?;
    let host = url.host_str().unwrap_or_default();
    let jar = browser.jar();
    let refused = jar.refused().first().cloned();
    match refused.or_else(|| jar.of(host).find_map(exposed)) {
        Some(what) => Err(Failure::new(what).into()),
        None => Ok(done()),
    }
}

/// What exposes a cookie to scripts or to other sites.
fn exposed(cookie: &Cookie) -> Option<String> {
    let Cookie { name, host, .. } = cookie;
    let has_prefix = name.starts_with("__Host-") || name.starts_with("__Secure-");
    let what = match cookie.same_site {
        _ if !cookie.http_only => "is not HttpOnly: scripts can read it",
        _ if !cookie.secure => "is not Secure",
        SameSite::None | SameSite::Unspecified => "is sent with requests of other sites (SameSite)",
        _ if !has_prefix => "has neither of the prefixes __Host- and __Secure-",
        SameSite::Strict | SameSite::Lax => return None,
    };
    Some(format!("the cookie {name} of {host} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_that_scripts_or_other_sites_could_use_is_reported() {
        let cookie = |name: &str, http_only, secure, same_site| {
            let mut cookie = Cookie::new("a.localhost", name, "1");
            (cookie.http_only, cookie.secure, cookie.same_site) = (http_only, secure, same_site);
            cookie
        };
        let safe = cookie("__Host-a", true, true, SameSite::Lax);
        assert_eq!(exposed(&safe), None);
        for (cookie, word) in [
            (cookie("__Host-a", false, true, SameSite::Lax), "HttpOnly"),
            (cookie("a", true, false, SameSite::Lax), "Secure"),
            (
                cookie("__Host-a", true, true, SameSite::Unspecified),
                "SameSite",
            ),
            (cookie("__Host-a", true, true, SameSite::None), "SameSite"),
            (cookie("a", true, true, SameSite::Lax), "__Host-"),
        ] {
            let said = exposed(&cookie).unwrap();
            assert!(said.contains(word), "{cookie:?}: {said}");
        }
    }
}
