//! The browser of a check: its failures, and the answers that it gets, say in a sentence
//! what is wrong. Each connection goes where `--connect` says; what is sent is as if it
//! went to the public address.

use std::ops::Deref;

use headless_browser::{Error, Form, Jar, MAX_REDIRECTS, Page, Response, Transport};
use kit::net::innermost;
use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::outcome::Failure;

/// The maximum length of another program's sentence that is shown, in characters.
const MAX_SAID: usize = 200;
/// The `User-Agent` of all requests.
pub(super) const USER_AGENT: &str = concat!("sso-lab-check/", env!("CARGO_PKG_VERSION"));

/// The browser.
pub(super) struct Browser(headless_browser::Browser);

/// A response.
pub(super) struct Answer(Response);

impl Deref for Answer {
    type Target = Response;

    fn deref(&self) -> &Response {
        &self.0
    }
}

impl Browser {
    /// A browser without cookies.
    pub(super) fn new(transport: &Transport) -> Self {
        Self(headless_browser::Browser::new(transport.clone()))
    }

    /// Another profile, which has the cookies of `host` and no others.
    pub(super) fn second_profile(&self, host: &str) -> Self {
        Self(self.0.second_profile(host))
    }

    /// The present cookies.
    pub(super) fn jar(&self) -> Jar {
        self.0.jar()
    }

    /// A GET of `url`, without following redirects.
    pub(super) async fn get(&mut self, url: &str) -> Result<Answer, Failure> {
        self.call(Method::GET, url, &[], "").await
    }

    /// A POST of JSON, with the CSRF header of the apps.
    pub(super) async fn post_json(&mut self, url: &str, body: &Value) -> Result<Answer, Failure> {
        let headers = [("x-csrf", "1"), ("content-type", "application/json")];
        self.call(Method::POST, url, &headers, &body.to_string())
            .await
    }

    /// One request, without following redirects.
    pub(super) async fn call(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, Failure> {
        let response = self.0.request(method, url, headers, body).await;
        response.map(Answer).map_err(failure)
    }

    /// Opens `url` and follows redirects.
    pub(super) async fn open(&mut self, url: &str) -> Result<Answer, Failure> {
        answer(self.0.goto(url, MAX_REDIRECTS).await)
    }

    /// Submits `form` and follows redirects.
    pub(super) async fn submit(&mut self, form: &Form) -> Result<Answer, Failure> {
        answer(self.0.submit(form, MAX_REDIRECTS).await)
    }

    /// The first form of the current page, unless it would send what is typed to another
    /// site than the page's own.
    pub(super) fn form(&self) -> Option<Form> {
        let page = self.0.page()?;
        let form = page.first_form()?;
        (form.action.origin() == page.url().origin()).then_some(form)
    }
}

fn answer(page: Result<&Page, Error>) -> Result<Answer, Failure> {
    page.map(|page| Answer(page.last().clone()))
        .map_err(failure)
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Http { url, source } => Failure::new(unreached(&url, &source)),
        Error::TooLarge(response) => Answer(*response).failure("is too long"),
        Error::TooManyRedirects(response) => Answer(*response).failure("is one redirect too many"),
        Error::RedirectScheme(response) => {
            Answer(*response).failure("redirects to a URL that is not http or https")
        }
        Error::Url { .. } | Error::Header(_) | Error::NoPage => Failure::new(error.to_string()),
    }
}

impl Answer {
    /// Whether it comes from the site at `url`.
    pub(super) fn is_of(&self, url: &str) -> bool {
        Url::parse(url).is_ok_and(|url| url.origin() == self.url.origin())
    }

    /// Whether it is an app's answer to a call whose credential the API refused.
    pub(super) fn is_refused_by_api(&self) -> bool {
        let title = |body: Value| body["title"].as_str().map(str::to_owned);
        let title = self.json().ok().and_then(title);
        self.status == 502 && title.as_deref() == Some("Credential rejected by the API")
    }

    /// The answer, if it has this status.
    pub(super) fn expect(self, status: u16) -> Result<Self, Failure> {
        if self.status == status {
            return Ok(self);
        }
        Err(self.failure(&format!("came instead of {status}")))
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, Failure> {
        self.0.json().map_err(|_| self.failure("is not JSON"))
    }

    /// A failure: this answer, `what` is wrong with it, and what it says itself.
    /// The path is shown and the query is not: a query may contain a code.
    pub(super) fn failure(&self, what: &str) -> Failure {
        let Response {
            method,
            url,
            status,
            ..
        } = &self.0;
        let place = format!("{}{}", url.origin().ascii_serialization(), url.path());
        let mut said = format!("{method} {place}: the answer {status} {what}");
        if let Some(sentence) = self.sentence() {
            said = format!("{said}: {sentence}");
        }
        Failure {
            why: said,
            trace_id: self.trace_id(),
        }
    }

    /// The id by which traces and logs show the request.
    pub(super) fn trace_id(&self) -> Option<String> {
        let id = self.header("trace-id")?;
        let fits = id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric());
        fits.then(|| id.to_owned())
    }

    /// The text of a problem document (RFC 9457), an OAuth error or a readiness answer.
    fn sentence(&self) -> Option<String> {
        let body: Value = serde_json::from_str(&self.body).ok()?;
        let of = |key: &str| body[key].as_str().filter(|text| !text.is_empty());
        let parts: Vec<_> = ["title", "detail", "error", "error_description"]
            .into_iter()
            .filter_map(of)
            .collect();
        let said = parts.join(", ");
        let plain = said.chars().filter(|c| !c.is_control()).take(MAX_SAID);
        (!said.is_empty()).then(|| plain.collect())
    }
}

/// The innermost reason is the one that helps.
fn unreached(url: &Url, error: &reqwest::Error) -> String {
    let why = innermost(error);
    let place = url.origin().ascii_serialization();
    if error.is_timeout() {
        format!("{place} does not answer in time")
    } else {
        format!("{place} cannot be reached: {why}; --connect sets another address")
    }
}
