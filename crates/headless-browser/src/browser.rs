//! The browser: one profile with one tab.

use std::{sync::Arc, time::Duration};

use kit::{
    clock::{Clock, SystemClock},
    net::{AddressOverrides, ReadError, read_bounded},
};
use parking_lot::Mutex;
use reqwest::{
    Method,
    header::{COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, USER_AGENT},
};
use url::Url;

use super::{
    MAX_REDIRECTS,
    error::Error,
    form::Form,
    headers::{self, Initiator, Relation},
    jar::{Jar, Sending},
    response::{Page, Response},
};

/// How requests reach their servers.
#[derive(Clone, Debug)]
pub struct Transport {
    /// The client. It follows no redirects.
    pub http: reqwest::Client,
    /// Servers that are reached at another address than their public one.
    pub overrides: AddressOverrides,
    /// The limit of one request, with its response.
    pub timeout: Duration,
    /// The `User-Agent` of every request.
    pub user_agent: &'static str,
}

/// A browser profile with one tab.
pub struct Browser {
    transport: Transport,
    clock: Arc<dyn Clock>,
    jar: Arc<Mutex<Jar>>,
    page: Option<Page>,
    unfollowed: Vec<String>,
}

/// A document to load.
struct Navigation {
    method: Method,
    url: Url,
    body: Option<String>,
    initiator: Option<Initiator>,
}

impl Navigation {
    fn get(url: Url, initiator: Option<Initiator>) -> Self {
        Self {
            method: Method::GET,
            url,
            body: None,
            initiator,
        }
    }
}

impl Browser {
    /// A browser with an empty jar and the system's clock.
    pub fn new(transport: Transport) -> Self {
        Self {
            transport,
            clock: Arc::new(SystemClock),
            jar: Arc::default(),
            page: None,
            unfollowed: Vec::new(),
        }
    }

    /// Cookies expire by `clock`.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Another way to the servers.
    pub fn with_transport(mut self, change: impl FnOnce(&mut Transport)) -> Self {
        change(&mut self.transport);
        self
    }

    /// Redirects to URLs that start with `start` are not followed.
    pub fn not_following(mut self, start: &str) -> Self {
        self.unfollowed.push(start.to_owned());
        self
    }

    /// Another tab of the same profile: it has the same cookies.
    pub fn second_tab(&self) -> Self {
        Self {
            transport: self.transport.clone(),
            clock: Arc::clone(&self.clock),
            jar: Arc::clone(&self.jar),
            page: None,
            unfollowed: self.unfollowed.clone(),
        }
    }

    /// Another profile, which has copies of the cookies of `host` and no others.
    pub fn second_profile(&self, host: &str) -> Self {
        let jar = self.jar.lock().only(host);
        Self {
            jar: Arc::new(Mutex::new(jar)),
            ..self.second_tab()
        }
    }

    /// A copy of the present cookies.
    pub fn jar(&self) -> Jar {
        self.jar.lock().clone()
    }

    /// Changes the cookies.
    pub fn edit_jar(&self, edit: impl FnOnce(&mut Jar)) {
        edit(&mut self.jar.lock());
    }

    /// The current page.
    pub fn page(&self) -> Option<&Page> {
        self.page.as_ref()
    }

    /// Opens `url` as if typed into the address bar, following at most `redirects`
    /// redirects.
    pub async fn goto(&mut self, url: &str, redirects: usize) -> Result<&Page, Error> {
        let navigation = Navigation::get(parse(url)?, None);
        self.navigate(navigation, redirects).await
    }

    /// Follows a link of the current page to `url`, which may be relative.
    pub async fn follow(&mut self, url: &str, redirects: usize) -> Result<&Page, Error> {
        let page = self.page.as_ref().ok_or(Error::NoPage)?;
        let navigation = Navigation::get(join(page, url)?, Some(Initiator::of(page)));
        self.navigate(navigation, redirects).await
    }

    /// Submits `form` from the current page, if there is one.
    pub async fn submit(&mut self, form: &Form, redirects: usize) -> Result<&Page, Error> {
        let initiator = self.page.as_ref().map(Initiator::of);
        let mut navigation = Navigation::get(form.action.clone(), initiator);
        if form.method == Method::POST {
            navigation.method = Method::POST;
            navigation.body = Some(form.encoded());
        } else {
            navigation.url.set_query(Some(&form.encoded()));
        }
        self.navigate(navigation, redirects).await
    }

    /// Sends what `fetch(path, …)` sends in a script of the current page. Cookies go to
    /// the page's own origin only. The current page stays.
    pub async fn fetch(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Response, Error> {
        let page = self.page.as_ref().ok_or(Error::NoPage)?;
        let (url, initiator) = (join(page, path)?, Initiator::of(page));
        let relation = initiator.relation(&url);
        let mut all = headers::of_fetch(&initiator, &method, relation);
        add(&mut all, headers)?;
        let cookies = (relation == Relation::SameOrigin).then_some(Sending::SameSite);
        self.send(method, url, all, not_empty(body), cookies).await
    }

    /// Sends a request as another program sends it: with the cookies, without the
    /// headers that only browsers send, and without following redirects. The current
    /// page stays.
    pub async fn request(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Response, Error> {
        let mut all = HeaderMap::new();
        add(&mut all, headers)?;
        let cookies = Some(Sending::SameSite);
        self.send(method, parse(url)?, all, not_empty(body), cookies)
            .await
    }

    async fn navigate(
        &mut self,
        mut navigation: Navigation,
        redirects: usize,
    ) -> Result<&Page, Error> {
        let mut hops: Vec<Response> = Vec::new();
        // Sec-Fetch-Site states the most distant relation in the chain of redirects.
        let mut farthest = Relation::None;
        loop {
            let hop = self.load(&navigation, &mut farthest).await?;
            let next = hop.redirect().filter(|next| {
                hops.len() < redirects
                    && !self
                        .unfollowed
                        .iter()
                        .any(|start| next.as_str().starts_with(start))
            });
            let Some(next) = next else {
                return Ok(self.page.insert(Page::new(hops, hop)));
            };
            if hops.len() >= MAX_REDIRECTS {
                return Err(Error::TooManyRedirects(Box::new(hop)));
            }
            if !matches!(next.scheme(), "http" | "https") {
                return Err(Error::RedirectScheme(Box::new(hop)));
            }
            if !matches!(hop.status, 307 | 308) {
                navigation.method = Method::GET;
                navigation.body = None;
            }
            navigation.url = next;
            hops.push(hop);
        }
    }

    /// One request of a navigation.
    async fn load(
        &self,
        navigation: &Navigation,
        farthest: &mut Relation,
    ) -> Result<Response, Error> {
        let Navigation {
            method,
            url,
            body,
            initiator,
        } = navigation;
        let initiator = initiator.as_ref();
        let here = initiator.map_or(Relation::None, |by| by.relation(url));
        *farthest = here.max(*farthest);
        let headers = headers::of_navigation(initiator, method, *farthest);
        let cookies = match here {
            Relation::None | Relation::SameOrigin => Sending::SameSite,
            Relation::SameSite | Relation::CrossSite if method.is_safe() => Sending::CrossSiteGet,
            Relation::SameSite | Relation::CrossSite => Sending::CrossSite,
        };
        self.send(
            method.clone(),
            url.clone(),
            headers,
            body.clone(),
            Some(cookies),
        )
        .await
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        mut headers: HeaderMap,
        body: Option<String>,
        cookies: Option<Sending>,
    ) -> Result<Response, Error> {
        let Transport {
            http,
            overrides,
            timeout,
            user_agent,
        } = &self.transport;
        let now = self.clock.now();
        let cookies = cookies.and_then(|how| self.jar.lock().header_for(&url, now, how));
        if let Some(cookies) = cookies.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(COOKIE, cookies);
        }
        headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(user_agent));
        let mut request = overrides
            .request(http, method.clone(), &url)
            .timeout(*timeout)
            .headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        let failed = |source| {
            let url = url.clone();
            Error::Http { url, source }
        };
        let answer = request.send().await.map_err(failed)?;
        let mut response = Response {
            method,
            url: url.clone(),
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: String::new(),
        };
        for line in response.headers.get_all(SET_COOKIE) {
            let line = line.to_str().unwrap_or_default();
            self.jar.lock().receive(&url, line, now);
        }
        match read_bounded(answer).await {
            Ok(body) => response.body = String::from_utf8_lossy(&body).into_owned(),
            Err(ReadError::Http(source)) => return Err(failed(source)),
            Err(ReadError::TooLarge) => return Err(Error::TooLarge(Box::new(response))),
        }
        Ok(response)
    }
}

fn parse(text: &str) -> Result<Url, Error> {
    let url = text.to_owned();
    Url::parse(text).map_err(|source| Error::Url { url, source })
}

fn join(page: &Page, path: &str) -> Result<Url, Error> {
    let url = path.to_owned();
    page.url()
        .join(path)
        .map_err(|source| Error::Url { url, source })
}

fn not_empty(body: &str) -> Option<String> {
    Some(body.to_owned()).filter(|body| !body.is_empty())
}

fn add(all: &mut HeaderMap, headers: &[(&str, &str)]) -> Result<(), Error> {
    for (name, value) in headers {
        let invalid = || Error::Header((*name).to_owned());
        let value = HeaderValue::try_from(*value).map_err(|_| invalid())?;
        all.insert(HeaderName::try_from(*name).map_err(|_| invalid())?, value);
    }
    Ok(())
}
