//! A person at a browser without JavaScript: follows redirects, keeps cookies,
//! fills forms, and says about itself what Chromium says.

mod cookie;
mod form;
mod headers;
mod http;
mod jar;
mod page;
mod script;

use std::sync::Arc;

pub use cookie::{Cookie, SameSite};
pub use form::Form;
pub use jar::Jar;
use kit::{
    clock::{Clock, SystemClock},
    net::ReadError,
};
pub use page::{Hop, Page};
use parking_lot::Mutex;
use reqwest::{
    Method,
    header::{COOKIE, HeaderMap, HeaderValue, LOCATION, SET_COOKIE},
};
use url::Url;

use headers::{Initiator, Relation};

/// Chromium's limit.
const MAX_REDIRECTS: usize = 20;

/// The actor. One `HeadlessBrowser` is one browser profile with one tab.
pub struct HeadlessBrowser {
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    jar: Arc<Mutex<Jar>>,
    shown: Option<Page>,
    nobody_at: Vec<String>,
}

/// A document to load.
struct Navigation {
    method: Method,
    url: Url,
    body: Option<String>,
    initiator: Option<Initiator>,
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
        Self {
            http: http::client(0, None),
            clock,
            jar: Arc::default(),
            shown: None,
            nobody_at: Vec::new(),
        }
    }

    /// Reuses connections, as real browsers do.
    pub fn keeping_connections(mut self) -> Self {
        self.http = http::client(1, None);
        self
    }

    /// Sends requests as from a proxy's client at `address`.
    pub fn from(mut self, address: &str) -> Self {
        self.http = http::client(0, Some(address));
        self
    }

    /// The present cookies.
    pub fn jar(&self) -> Jar {
        self.jar.lock().clone()
    }

    /// Changes the value of the cookie `name` of `host`.
    pub fn set_cookie(&self, host: &str, name: &str, value: &str) {
        self.jar.lock().set(host, name, value);
    }

    /// Deletes the cookie `name` of `host`.
    pub fn forget_cookie(&self, host: &str, name: &str) {
        self.jar.lock().remove(host, name);
    }

    /// The current page.
    pub fn page(&self) -> &Page {
        self.shown.as_ref().expect("a page is shown")
    }

    /// Another tab of the same browser, with the same cookies.
    pub fn second_tab(&self) -> Self {
        Self {
            http: self.http.clone(),
            clock: Arc::clone(&self.clock),
            jar: Arc::clone(&self.jar),
            shown: None,
            nobody_at: self.nobody_at.clone(),
        }
    }

    /// Types `url` into the address bar and follows redirects.
    pub async fn goto(&mut self, url: &str) -> &Page {
        let navigation = Navigation {
            method: Method::GET,
            url: parse(url),
            body: None,
            initiator: None,
        };
        self.navigate(navigation, MAX_REDIRECTS).await
    }

    /// Types `url` into the address bar and stays at the first response.
    pub async fn step(&mut self, url: &str) -> &Page {
        let navigation = Navigation {
            method: Method::GET,
            url: parse(url),
            body: None,
            initiator: None,
        };
        self.navigate(navigation, 0).await
    }

    /// Does not follow redirects to addresses that start with `start`, where
    /// no server listens: the test takes that server's part.
    pub fn not_following(mut self, start: &str) -> Self {
        self.nobody_at.push(start.to_owned());
        self
    }

    /// Follows a link of the current page to `url` (relative or not).
    pub async fn follow(&mut self, url: &str) -> &Page {
        let page = self.page();
        let url = page.url().join(url).unwrap();
        let initiator = Some(Initiator::of(page));
        self.navigate(
            Navigation {
                method: Method::GET,
                url,
                body: None,
                initiator,
            },
            MAX_REDIRECTS,
        )
        .await
    }

    /// Fills in the first form of the current page and submits it by its first button,
    /// including hidden fields, and follows redirects. Each of `fields`
    /// must be in the form.
    pub async fn submit_first_form(&mut self, fields: &[(&str, &str)]) -> &Page {
        let form = self.page().first_form();
        self.submit(form.fill(fields), MAX_REDIRECTS).await
    }

    /// Like `submit_first_form`, but stays at the first response.
    pub async fn submit_first_form_only(&mut self, fields: &[(&str, &str)]) -> &Page {
        let form = self.page().first_form();
        self.submit(form.fill(fields), 0).await
    }

    /// Presses the button of the current page whose text contains `label`.
    pub async fn press(&mut self, label: &str) -> &Page {
        let form = self.page().form_with_button(label);
        self.submit(form, MAX_REDIRECTS).await
    }

    /// Submits `form` from the current page, following at most `redirects`.
    pub async fn submit(&mut self, form: Form, redirects: usize) -> &Page {
        let initiator = Some(Initiator::of(self.page()));
        let navigation = if form.method == Method::POST {
            Navigation {
                method: Method::POST,
                url: form.action.clone(),
                body: Some(form.encoded()),
                initiator,
            }
        } else {
            let mut url = form.action.clone();
            url.set_query(Some(&form.encoded()));
            Navigation {
                method: Method::GET,
                url,
                body: None,
                initiator,
            }
        };
        self.navigate(navigation, redirects).await
    }

    async fn navigate(&mut self, mut navigation: Navigation, redirects: usize) -> &Page {
        let mut hops: Vec<Hop> = Vec::new();
        // Sec-Fetch-Site states the most distant relation in the chain of redirects.
        let mut farthest = Relation::None;
        loop {
            let Navigation {
                method,
                url,
                body,
                initiator,
            } = &navigation;
            let here = initiator
                .as_ref()
                .map_or(Relation::None, |initiator| initiator.relation(url));
            farthest = farthest.max(here);
            let head = headers::of_navigation(initiator.as_ref(), method, farthest);
            let hop = self
                .send(method.clone(), url.clone(), head, body.clone(), here, true)
                .await;
            let next = hop.redirect();
            let status = hop.status;
            hops.push(hop);
            let followed = |next: &Url| {
                !self
                    .nobody_at
                    .iter()
                    .any(|start| next.as_str().starts_with(start))
            };
            let Some(next) = next.filter(|next| hops.len() <= redirects && followed(next)) else {
                break;
            };
            assert!(
                hops.len() <= MAX_REDIRECTS,
                "more than {MAX_REDIRECTS} redirects"
            );
            if !matches!(status, 307 | 308) {
                navigation.method = Method::GET;
                navigation.body = None;
            }
            navigation.url = next;
        }
        self.shown.insert(Page::new(hops))
    }

    async fn send(
        &mut self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<String>,
        relation: Relation,
        top_level: bool,
    ) -> Hop {
        let what = format!("{method} {url}");
        self.try_to_send(method, url, headers, body, relation, top_level)
            .await
            .unwrap_or_else(|e| panic!("{what}: {e:?}"))
    }

    async fn try_to_send(
        &mut self,
        method: Method,
        url: Url,
        mut headers: HeaderMap,
        body: Option<String>,
        relation: Relation,
        top_level: bool,
    ) -> Result<Hop, ReadError> {
        let now = self.clock.now();
        let cross = relation == Relation::SameSite || relation == Relation::CrossSite;
        let cookies = self
            .jar
            .lock()
            .header_for(&url, now, cross, top_level && method.is_safe());
        if let Some(cookies) = cookies {
            headers.insert(COOKIE, HeaderValue::try_from(cookies).unwrap());
        }
        let mut request = self
            .http
            .request(method.clone(), url.clone())
            .headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        for line in headers.get_all(SET_COOKIE) {
            self.jar
                .lock()
                .receive(&url, line.to_str().unwrap_or_default(), now);
        }
        let location = headers
            .get(LOCATION)
            .and_then(|to| url.join(to.to_str().ok()?).ok());
        let body = kit::net::read_bounded(response).await?;
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Hop {
            method,
            url,
            status,
            headers,
            body,
            location,
        })
    }
}

fn parse(url: &str) -> Url {
    Url::parse(url).unwrap_or_else(|e| panic!("{url}: {e}"))
}
