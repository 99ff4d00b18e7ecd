//! Requests that load no page: by a script, and by another program.

use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};

use super::{
    HeadlessBrowser, Hop,
    headers::{self, Initiator, Relation},
    parse,
};

impl HeadlessBrowser {
    /// The result of `fetch` in a script of the current page's origin, with
    /// additional `headers`. The current page stays.
    pub async fn fetch(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Hop {
        let url = self.page().url().join(path).unwrap();
        let initiator = Initiator::of(self.page());
        let relation = initiator.relation(&url);
        assert_eq!(
            relation,
            Relation::SameOrigin,
            "a script's credentials go to its own origin"
        );
        let mut all = headers::of_fetch(&initiator, &method, relation);
        add(&mut all, headers);
        self.send(
            method,
            url,
            all,
            Some(body.to_owned()).filter(|body| !body.is_empty()),
            relation,
            false,
        )
        .await
    }

    /// `GET` by a script of the current page.
    pub async fn fetch_get(&mut self, path: &str) -> Hop {
        self.fetch(Method::GET, path, &[("accept", "application/json")], "")
            .await
    }

    /// `POST` of JSON by a script of the current page, with the CSRF header of the BFFs.
    pub async fn fetch_post(&mut self, path: &str, json: &serde_json::Value) -> Hop {
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
    ) -> Hop {
        let mut all = HeaderMap::new();
        add(&mut all, headers);
        let body = Some(body.to_owned()).filter(|body| !body.is_empty());
        self.send(method, parse(url), all, body, Relation::SameOrigin, false)
            .await
    }

    /// `GET` as another program sends it; `None` if the connection broke
    /// before the response was complete.
    pub async fn try_get(&mut self, url: &str) -> Option<Hop> {
        let accept = [("accept", "application/json")];
        self.try_raw(Method::GET, url, &accept, "").await
    }

    /// The same as [`HeadlessBrowser::raw`]; `None` when the connection broke before the
    /// response was complete.
    pub async fn try_raw(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Hop> {
        let mut all = HeaderMap::new();
        add(&mut all, headers);
        let body = Some(body.to_owned()).filter(|body| !body.is_empty());
        self.try_to_send(method, parse(url), all, body, Relation::SameOrigin, false)
            .await
            .ok()
    }
}

fn add(all: &mut HeaderMap, headers: &[(&str, &str)]) {
    for (name, value) in headers {
        all.insert(
            HeaderName::try_from(*name).unwrap(),
            HeaderValue::try_from(*value).unwrap(),
        );
    }
}
