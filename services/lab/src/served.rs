//! Helpers of tests: the responses of a site.

use std::sync::Arc;

use actix_web::{
    App,
    http::{Method, header},
    test::{TestRequest, call_service, init_service, read_body},
    web::ServiceConfig,
};
use kit::config::{Addresses, Site, Weaknesses};

use crate::Config;

/// The contract's addresses, on one thread.
pub(crate) fn config() -> Config {
    let addresses = Addresses::default();
    Config {
        issuer: addresses.url(Site::Idp),
        addresses,
        workers: 1,
        trusted_proxies: "".parse().unwrap(),
        weaknesses: Weaknesses::default(),
        demo_users: true,
        offers: crate::Offers::default(),
        journeys: None,
        jaeger_url: None,
        controls: crate::Controls::default(),
        trust: kit::net::Trust::default(),
        reach: kit::net::AddressOverrides::default(),
        traps: Arc::default(),
    }
}

/// The response of a site.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// The header `name`, or an empty text.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    /// The files that the page links to.
    pub(crate) fn assets(&self) -> Vec<&str> {
        let quoted = self.body.split('"');
        quoted.filter(|part| part.starts_with("/assets/")).collect()
    }
}

/// Requests the page at `path` of the site with `routes`.
pub(crate) async fn ask(routes: impl Fn(&mut ServiceConfig), method: Method, path: &str) -> Answer {
    let app = init_service(App::new().configure(routes)).await;
    let request = TestRequest::with_uri(path)
        .method(method)
        .insert_header((header::ACCEPT, "text/html"));
    let response = call_service(&app, request.to_request()).await;
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: String::from_utf8(read_body(response).await.to_vec()).unwrap(),
    }
}

/// Checks that every file that the page at `path` links to exists and can be cached for ever.
pub(crate) async fn every_file_is_served(routes: impl Fn(&mut ServiceConfig) + Clone, path: &str) {
    let page = ask(routes.clone(), Method::GET, path).await;
    assert_eq!(page.status, 200, "{path}");
    assert!(page.assets().len() >= 4, "{:?}", page.assets());
    for file in page.assets() {
        let answer = ask(routes.clone(), Method::GET, file).await;
        assert_eq!(answer.status, 200, "{file}");
        assert!(
            answer.header("cache-control").contains("immutable"),
            "{file}"
        );
    }
}

/// Checks that the page has no inline styles and scripts.
pub(crate) fn nothing_is_inline(page: &Answer) {
    assert!(!page.header("content-security-policy").contains("unsafe"));
    let html = &page.body;
    assert!(!html.contains("style=") && !html.contains("<style") && !html.contains(" onclick"));
    let scripts = html.matches("<script").count();
    assert_eq!(scripts, html.matches(" src=\"/assets/").count());
}
