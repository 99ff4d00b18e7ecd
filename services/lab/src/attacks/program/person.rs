//! A person with a browser: alice, the victim, or bob, the attacker.

use headless_browser::{Browser, Cookie, Error, Form, MAX_REDIRECTS, Page, Response, SameSite};
use kit::net::why;
use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::outcome::NotRun;

/// The maximum number of the provider's pages in a login, such as sign-in and consent.
const MAX_PAGES: usize = 4;
/// The maximum number of redirects between an app and the provider.
const MAX_HOPS: usize = 4;

/// A person with a browser.
pub(super) struct Person {
    browser: Browser,
    username: &'static str,
    password: &'static str,
    issuer: String,
}

impl Person {
    /// The victim.
    pub(super) fn alice(browser: Browser, issuer: &str) -> Self {
        Self::new(browser, ("alice", "wonderland"), issuer)
    }

    /// The attacker.
    pub(super) fn bob(browser: Browser, issuer: &str) -> Self {
        Self::new(browser, ("bob", "builder"), issuer)
    }

    fn new(browser: Browser, demo: (&'static str, &'static str), issuer: &str) -> Self {
        let (username, password) = demo;
        Self {
            browser,
            username,
            password,
            issuer: issuer.to_owned(),
        }
    }

    /// Opens `url` and follows its redirects.
    pub(super) async fn open(&mut self, url: &str) -> Result<&Page, NotRun> {
        let page = self.browser.goto(url, MAX_REDIRECTS).await;
        page.map_err(not_reached)
    }

    /// A GET with the browser's cookies, without following redirects.
    pub(super) async fn get(&mut self, url: &str) -> Result<Response, NotRun> {
        let answer = self.browser.request(Method::GET, url, &[], "").await;
        answer.map_err(not_reached)
    }

    /// Gives the browser the cookie `name` of `host`.
    pub(super) fn plant(&self, host: &str, name: &str, value: &str) {
        plant(&self.browser, host, name, value);
    }

    /// Signs in at the app at `app`, whose login has this address.
    pub(super) async fn sign_in(&mut self, app: &str, login: &str) -> Result<(), NotRun> {
        self.open(login).await?;
        self.through_the_pages().await?;
        let page = self.page()?;
        let is_home = page.status() == 200 && page.url().as_str().starts_with(app);
        is_home.then_some(()).ok_or_else(|| unexpected(page.last()))
    }

    /// Opens `url` and goes through the provider's pages until a redirect leads to an
    /// address that begins with `end`, which the browser does not open.
    pub(super) async fn until(&mut self, url: &str, end: &str) -> Result<Url, NotRun> {
        let mut next = url.to_owned();
        for _ in 0..MAX_PAGES + MAX_HOPS {
            self.browser.goto(&next, 0).await.map_err(not_reached)?;
            if let Some(form) = self.filled_form()? {
                self.browser.submit(&form, 0).await.map_err(not_reached)?;
            }
            let page = self.page()?;
            let Some(location) = page.location() else {
                return Err(unexpected(page.last()));
            };
            if location.as_str().starts_with(end) {
                return Ok(location);
            }
            next = location.into();
        }
        Err(unexpected(self.page()?.last()))
    }

    /// Fills in the provider's forms until it shows none.
    async fn through_the_pages(&mut self) -> Result<(), NotRun> {
        for _ in 0..MAX_PAGES {
            let Some(form) = self.filled_form()? else {
                return Ok(());
            };
            let submitted = self.browser.submit(&form, MAX_REDIRECTS).await;
            submitted.map_err(not_reached)?;
        }
        Err(unexpected(self.page()?.last()))
    }

    /// The form of the provider's page, with the name and the password if it asks for them.
    fn filled_form(&self) -> Result<Option<Form>, NotRun> {
        let Some(form) = self.form() else {
            return Ok(None);
        };
        if !form.has("password") {
            return Ok(Some(form));
        }
        let filled = form.fill(&[("username", self.username), ("password", self.password)]);
        let filled = filled.map_err(|error| NotRun::new(error.to_string()));
        filled.map(Some)
    }

    /// The form of the provider's page, if it shows one.
    fn form(&self) -> Option<Form> {
        let page = self.browser.page()?;
        let is_providers = page.url().as_str().starts_with(&self.issuer);
        page.first_form()
            .filter(|_| is_providers && page.status() == 200)
    }

    /// The page that is shown.
    pub(super) fn page(&self) -> Result<&Page, NotRun> {
        let page = self.browser.page();
        page.ok_or_else(|| NotRun::new("No page is shown."))
    }

    /// What the app at `app` says about the session of this browser.
    pub(super) async fn session(&mut self, app: &str) -> Result<Value, NotRun> {
        json(&self.get(&format!("{app}/session")).await?)
    }

    /// Signs out everywhere. A failure changes nothing: the session ends with its time.
    pub(super) async fn sign_out(&mut self) {
        let url = format!("{}/logout", self.issuer);
        if self.open(&url).await.is_ok()
            && let Some(form) = self.form()
        {
            let _ = self.browser.submit(&form, MAX_REDIRECTS).await;
        }
    }
}

/// Gives `browser` the cookie `name` of `host`.
pub(super) fn plant(browser: &Browser, host: &str, name: &str, value: &str) {
    let mut cookie = Cookie::new(host, name, value);
    (cookie.secure, cookie.http_only) = (true, true);
    cookie.same_site = SameSite::Lax;
    browser.edit_jar(|jar| jar.put(cookie));
}

/// The body of `answer` as JSON, if its status is 200.
pub(super) fn json(answer: &Response) -> Result<Value, NotRun> {
    let read = answer.json().ok().filter(|_| answer.status == 200);
    read.ok_or_else(|| unexpected(answer))
}

/// An answer that is no part of the attack. A query may contain a code, so it is not shown.
pub(super) fn unexpected(answer: &Response) -> NotRun {
    let Response {
        method,
        url,
        status,
        ..
    } = answer;
    let place = format!("{}{}", url.origin().ascii_serialization(), url.path());
    NotRun::new(format!(
        "{method} {place} was answered {status}, so the attack could not go on."
    ))
}

/// A request without an answer.
pub(super) fn not_reached(error: Error) -> NotRun {
    NotRun::new(match error {
        Error::Http { url, source } => {
            let place = url.origin().ascii_serialization();
            format!("{place} cannot be reached: {}.", why(&source))
        }
        Error::TooLarge(answer)
        | Error::TooManyRedirects(answer)
        | Error::RedirectScheme(answer) => return unexpected(&answer),
        other => other.to_string(),
    })
}
