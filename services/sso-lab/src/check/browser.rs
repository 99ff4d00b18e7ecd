//! A browser without JavaScript: keeps cookies, follows redirects, sends forms.
//! Each connection goes where `--connect` says; what is sent is as if it went to
//! the public address.

use std::time::Duration;

use kit::net::{AddressOverrides, ReadError, innermost, read_bounded};
use reqwest::{
    Method,
    header::{self, HeaderMap},
};
use serde_json::Value;
use url::Url;

use super::{form::Form, jar::Jar, outcome::Failure};

/// As many redirects as browsers follow.
const MAX_REDIRECTS: usize = 20;
/// How much of another's sentence is shown, in characters.
const MAX_SAID: usize = 200;
const USER_AGENT: &str = concat!("sso-lab-check/", env!("CARGO_PKG_VERSION"));

/// How requests are sent.
pub(super) struct Wire {
    pub(super) http: reqwest::Client,
    pub(super) reach: AddressOverrides,
    pub(super) timeout: Duration,
}

/// The browser.
pub(super) struct Browser<'w> {
    wire: &'w Wire,
    pub(super) jar: Jar,
}

/// What came back.
pub(super) struct Answer {
    method: Method,
    pub(super) url: Url,
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl<'w> Browser<'w> {
    /// With an empty jar.
    pub(super) fn new(wire: &'w Wire) -> Self {
        Self {
            wire,
            jar: Jar::default(),
        }
    }

    /// Another profile, which knows of all sites `host` alone.
    pub(super) fn only(&self, host: &str) -> Self {
        Self {
            wire: self.wire,
            jar: self.jar.only(host),
        }
    }

    /// A GET of `url`, without following redirects.
    pub(super) async fn get(&mut self, url: &str) -> Result<Answer, Failure> {
        self.call(Method::GET, url, &[], None).await
    }

    /// One request, without following redirects.
    pub(super) async fn call(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<Answer, Failure> {
        let url = parse(url)?;
        self.send(method, url, headers, body).await
    }

    /// A POST of JSON by a script of the app's page.
    pub(super) async fn post_json(&mut self, url: &str, body: &Value) -> Result<Answer, Failure> {
        let headers = [("x-csrf", "1"), ("content-type", "application/json")];
        self.call(Method::POST, url, &headers, Some(body.to_string()))
            .await
    }

    /// Opens `url` and follows redirects.
    pub(super) async fn open(&mut self, url: &str) -> Result<Answer, Failure> {
        let url = parse(url)?;
        let answer = self.send(Method::GET, url, &[], None).await?;
        self.follow(answer).await
    }

    /// Sends `form` and follows redirects.
    pub(super) async fn submit(&mut self, form: Form) -> Result<Answer, Failure> {
        let mut url = form.action.clone();
        let answer = if form.method == Method::POST {
            let kind = ("content-type", "application/x-www-form-urlencoded");
            let origin = url.origin().ascii_serialization();
            let headers = [kind, ("origin", origin.as_str())];
            let body = Some(form.encoded());
            self.send(Method::POST, url, &headers, body).await?
        } else {
            url.set_query(Some(&form.encoded()));
            self.send(Method::GET, url, &[], None).await?
        };
        self.follow(answer).await
    }

    async fn follow(&mut self, mut answer: Answer) -> Result<Answer, Failure> {
        for _ in 0..MAX_REDIRECTS {
            let Some(next) = answer.location() else {
                return Ok(answer);
            };
            if !matches!(next.scheme(), "http" | "https") {
                return Err(answer.failure("leads to no page"));
            }
            answer = self.send(Method::GET, next, &[], None).await?;
        }
        Err(answer.failure("is the last of too many redirects"))
    }

    async fn send(
        &mut self,
        method: Method,
        url: Url,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<Answer, Failure> {
        let Wire {
            http,
            reach,
            timeout,
        } = self.wire;
        let mut request = reach
            .request(http, method.clone(), &url)
            .timeout(*timeout)
            .header(header::USER_AGENT, USER_AGENT);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(cookies) = self.jar.header_for(&url) {
            request = request.header(header::COOKIE, cookies);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let unreached = |error: &reqwest::Error| Failure::new(unreached(&url, error));
        let answer = request.send().await.map_err(|error| unreached(&error))?;
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        self.jar.receive(&url, &headers);
        let body = read_bounded(answer).await;
        let mut answer = Answer {
            method,
            url: url.clone(),
            status,
            headers,
            body: String::new(),
        };
        answer.body = match body {
            Ok(body) => String::from_utf8_lossy(&body).into_owned(),
            Err(ReadError::Http(error)) => return Err(unreached(&error)),
            Err(error @ ReadError::TooLarge) => return Err(answer.failure(&error.to_string())),
        };
        Ok(answer)
    }
}

impl Answer {
    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Where a redirect leads.
    pub(super) fn location(&self) -> Option<Url> {
        let to = self
            .header("location")
            .filter(|_| (300..400).contains(&self.status))?;
        self.url.join(to).ok()
    }

    /// Whether it comes from the site at `url`.
    pub(super) fn is_of(&self, url: &str) -> bool {
        Url::parse(url).is_ok_and(|url| url.origin() == self.url.origin())
    }

    /// Itself, if it has this status.
    pub(super) fn expect(self, status: u16) -> Result<Self, Failure> {
        if self.status == status {
            return Ok(self);
        }
        Err(self.failure(&format!("came instead of {status}")))
    }

    /// Its body as JSON.
    pub(super) fn json(&self) -> Result<Value, Failure> {
        serde_json::from_str(&self.body).map_err(|_| self.failure("is no JSON"))
    }

    /// A failure: this answer, `what` is wrong with it, and what it says itself.
    /// The path is shown and the query is not: there may be a code in it.
    pub(super) fn failure(&self, what: &str) -> Failure {
        let Self {
            method,
            url,
            status,
            ..
        } = self;
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

    /// By which the answer is found again in traces and logs.
    pub(super) fn trace_id(&self) -> Option<String> {
        let id = self.header("trace-id")?;
        let fits = id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric());
        fits.then(|| id.to_owned())
    }

    /// What a problem document (RFC 9457), an OAuth error or a readiness says.
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

fn parse(url: &str) -> Result<Url, Failure> {
    url.parse()
        .map_err(|error| Failure::new(format!("{url:?}: {error}")))
}

/// Its innermost reason is the one that helps.
fn unreached(url: &Url, error: &reqwest::Error) -> String {
    let why = innermost(error);
    let place = url.origin().ascii_serialization();
    if error.is_timeout() {
        format!("{place} does not answer in time")
    } else {
        format!("{place} is not reached: {why}; --connect gives another way")
    }
}
