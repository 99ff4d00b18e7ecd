//! A person at a browser without JavaScript: `headless_browser::Browser`, whose every
//! failure fails the test.

use std::{sync::Arc, time::Duration};

use headless_browser::{Browser, Error, Form, Jar, MAX_REDIRECTS, Page, Response, Transport};
use kit::{
    clock::{Clock, SystemClock},
    net::{AddressOverrides, LocalhostResolver, Trust},
};
use reqwest::{Method, header::HeaderMap};

/// The actor. One `HeadlessBrowser` is one browser profile with one tab.
pub struct HeadlessBrowser {
    browser: Browser,
    trust: Trust,
}

impl Default for HeadlessBrowser {
    fn default() -> Self {
        Self::new()
    }
}

impl HeadlessBrowser {
    /// Creates a browser with an empty jar and the system's clock.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// Creates a browser with an empty jar whose cookies expire by `clock`.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let trust = Trust::default();
        let transport = Transport {
            http: client(0, None, &trust),
            overrides: AddressOverrides::default(),
            timeout: Duration::from_secs(30),
            user_agent: "testkit (a browser without JavaScript)",
        };
        let browser = Browser::new(transport).with_clock(clock);
        Self { browser, trust }
    }

    fn with_client(self, client: reqwest::Client) -> Self {
        let change = |transport: &mut Transport| transport.http = client;
        let browser = self.browser.with_transport(change);
        Self { browser, ..self }
    }

    /// Accepts these certificate authorities.
    pub fn trusting(self, trust: &Trust) -> Self {
        let client = client(0, None, trust);
        Self {
            trust: trust.clone(),
            ..self.with_client(client)
        }
    }

    /// Reuses connections, as real browsers do.
    pub fn keeping_connections(self) -> Self {
        let client = client(1, None, &self.trust);
        self.with_client(client)
    }

    /// Sends requests as from a proxy's client at `address`.
    pub fn from(self, address: &str) -> Self {
        let client = client(0, Some(address), &self.trust);
        self.with_client(client)
    }

    /// Does not follow redirects to addresses that start with `start`, where
    /// no server listens: the test takes that server's part.
    pub fn not_following(self, start: &str) -> Self {
        let browser = self.browser.not_following(start);
        Self { browser, ..self }
    }

    /// Another tab of the same browser, with the same cookies.
    pub fn second_tab(&self) -> Self {
        let browser = self.browser.second_tab();
        let trust = self.trust.clone();
        Self { browser, trust }
    }

    /// The present cookies.
    pub fn jar(&self) -> Jar {
        self.browser.jar()
    }

    /// Changes the value of the cookie `name` of `host`.
    pub fn set_cookie(&self, host: &str, name: &str, value: &str) {
        self.browser
            .edit_jar(|jar| assert!(jar.set(host, name, value), "{host} has no cookie {name}"));
    }

    /// Deletes the cookie `name` of `host`.
    pub fn forget_cookie(&self, host: &str, name: &str) {
        self.browser.edit_jar(|jar| jar.remove(host, name));
    }

    /// The current page.
    pub fn page(&self) -> &Page {
        self.browser.page().expect("a page is shown")
    }

    /// The first form of the current page.
    pub fn first_form(&self) -> Form {
        let page = self.page();
        page.first_form()
            .unwrap_or_else(|| panic!("no form at {page}"))
    }

    /// Types `url` into the address bar and follows redirects.
    pub async fn goto(&mut self, url: &str) -> &Page {
        shown(self.browser.goto(url, MAX_REDIRECTS).await)
    }

    /// Types `url` into the address bar and stays at the first response.
    pub async fn step(&mut self, url: &str) -> &Page {
        shown(self.browser.goto(url, 0).await)
    }

    /// Follows a link of the current page to `url` (relative or not).
    pub async fn follow(&mut self, url: &str) -> &Page {
        shown(self.browser.follow(url, MAX_REDIRECTS).await)
    }

    /// Fills in the first form of the current page and submits it by its first button,
    /// including hidden fields, and follows redirects. Each of `fields`
    /// must be in the form.
    pub async fn submit_first_form(&mut self, fields: &[(&str, &str)]) -> &Page {
        let form = self.first_form().fill(fields).unwrap();
        self.submit(form, MAX_REDIRECTS).await
    }

    /// Like `submit_first_form`, but stays at the first response.
    pub async fn submit_first_form_only(&mut self, fields: &[(&str, &str)]) -> &Page {
        let form = self.first_form().fill(fields).unwrap();
        self.submit(form, 0).await
    }

    /// Presses the button of the current page whose text contains `label`.
    pub async fn press(&mut self, label: &str) -> &Page {
        let page = self.page();
        let form = page.form_with_button(label);
        let form = form.unwrap_or_else(|| panic!("no button {label:?} at {page}"));
        self.submit(form, MAX_REDIRECTS).await
    }

    /// Submits `form` from the current page, following at most `redirects`.
    pub async fn submit(&mut self, form: Form, redirects: usize) -> &Page {
        shown(self.browser.submit(&form, redirects).await)
    }

    /// The result of `fetch` in a script of the current page, with additional
    /// `headers`. The current page stays.
    pub async fn fetch(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response {
        let answer = self.browser.fetch(method, path, headers, body).await;
        answer.unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// `GET` by a script of the current page.
    pub async fn fetch_get(&mut self, path: &str) -> Response {
        self.fetch(Method::GET, path, &[("accept", "application/json")], "")
            .await
    }

    /// `POST` of JSON by a script of the current page, with the CSRF header of the BFFs.
    pub async fn fetch_post(&mut self, path: &str, json: &serde_json::Value) -> Response {
        let headers = [
            ("content-type", "application/json"),
            ("accept", "application/json"),
            ("x-csrf", "1"),
        ];
        self.fetch(Method::POST, path, &headers, &json.to_string())
            .await
    }

    /// A request as another program sends it: with the jar's cookies and
    /// `headers`, but without a browser's own headers.
    pub async fn raw(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response {
        let answer = self.browser.request(method, url, headers, body).await;
        answer.unwrap_or_else(|e| panic!("{e}"))
    }

    /// The same as [`HeadlessBrowser::raw`]; `None` when the connection broke before the
    /// response was complete.
    pub async fn try_raw(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Response> {
        match self.browser.request(method, url, headers, body).await {
            Ok(response) => Some(response),
            Err(Error::Http { .. }) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// `GET` as another program sends it; `None` if the connection broke
    /// before the response was complete.
    pub async fn try_get(&mut self, url: &str) -> Option<Response> {
        self.try_raw(Method::GET, url, &[("accept", "application/json")], "")
            .await
    }
}

fn shown(page: Result<&Page, Error>) -> &Page {
    page.unwrap_or_else(|e| panic!("{e}"))
}

/// `forwarded`: the client address that the requests state, as behind a proxy.
///
/// `idle`: the number of idle connections to each host. Without them, a balancer
/// sends each request to the next replica, so a flow that works does not depend on
/// the memory of one process.
fn client(idle: usize, forwarded: Option<&str>, trust: &Trust) -> reqwest::Client {
    let mut headers = HeaderMap::new();
    if let Some(address) = forwarded {
        headers.insert("x-forwarded-for", address.parse().unwrap());
    }
    reqwest::Client::builder()
        .default_headers(headers)
        .tls_backend_preconfigured(trust.https())
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(idle)
        .no_proxy()
        .dns_resolver(Arc::new(LocalhostResolver))
        .build()
        .unwrap()
}
