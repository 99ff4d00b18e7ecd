//! What Chromium says about a request: `Sec-Fetch-*` (Fetch Metadata) and `Origin`.

use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use url::{Origin, Url};

use super::Page;

/// The relation between the initiator of a request and its target, ordered
/// from near to far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Relation {
    /// No initiator: the address bar.
    None,
    SameOrigin,
    SameSite,
    CrossSite,
}

impl Relation {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SameOrigin => "same-origin",
            Self::SameSite => "same-site",
            Self::CrossSite => "cross-site",
        }
    }
}

/// The page that initiated a request.
pub(super) struct Initiator {
    origin: Origin,
    site: (String, String),
    referrer_policy: String,
}

impl Initiator {
    pub(super) fn of(page: &Page) -> Self {
        Self {
            origin: page.url().origin(),
            site: site(page.url()),
            referrer_policy: page
                .header("referrer-policy")
                .unwrap_or_default()
                .to_owned(),
        }
    }

    pub(super) fn relation(&self, url: &Url) -> Relation {
        if self.origin == url.origin() {
            Relation::SameOrigin
        } else if self.site == site(url) {
            Relation::SameSite
        } else {
            Relation::CrossSite
        }
    }

    /// A page that hides its address hides its origin from its own forms too
    /// (Fetch, "append a request `Origin` header").
    fn origin_for(&self, relation: Relation) -> String {
        let hidden = match self.referrer_policy.as_str() {
            "no-referrer" => true,
            "same-origin" => relation != Relation::SameOrigin,
            _ => false,
        };
        if hidden {
            "null".to_owned()
        } else {
            self.origin.ascii_serialization()
        }
    }
}

/// Scheme and host: each name under `localhost` is a site of its own.
fn site(url: &Url) -> (String, String) {
    (
        url.scheme().to_owned(),
        url.host_str().unwrap_or_default().to_owned(),
    )
}

pub(super) fn of_navigation(
    initiator: Option<&Initiator>,
    method: &Method,
    relation: Relation,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: &str| {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        );
    };
    set(
        "accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    );
    set("accept-language", "en");
    set("user-agent", USER_AGENT);
    set("upgrade-insecure-requests", "1");
    set("sec-fetch-site", relation.as_str());
    set("sec-fetch-mode", "navigate");
    set("sec-fetch-dest", "document");
    set("sec-fetch-user", "?1");
    if *method == Method::POST {
        set("content-type", "application/x-www-form-urlencoded");
        set(
            "origin",
            &initiator.map_or("null".to_owned(), |by| by.origin_for(relation)),
        );
    }
    headers
}

pub(super) fn of_fetch(initiator: &Initiator, method: &Method, relation: Relation) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: &str| {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        );
    };
    set("accept", "*/*");
    set("user-agent", USER_AGENT);
    set("sec-fetch-site", relation.as_str());
    set("sec-fetch-mode", "cors");
    set("sec-fetch-dest", "empty");
    if !method.is_safe() {
        set("origin", &initiator.origin_for(relation));
    }
    headers
}

const USER_AGENT: &str = "testkit-cli (a browser without JavaScript)";

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::headless::Hop;

    fn page(policy: &'static str) -> Page {
        let mut headers = HeaderMap::new();
        headers.insert("referrer-policy", HeaderValue::from_static(policy));
        Page::new(vec![Hop {
            method: Method::GET,
            url: Url::parse("http://app1.localhost:8082/").unwrap(),
            status: 200,
            headers,
            body: String::new(),
            location: None,
        }])
    }

    #[test]
    fn each_name_under_localhost_is_a_site_and_a_port_is_an_origin() {
        let app1 = Initiator::of(&page("same-origin"));
        let relation = |url| app1.relation(&Url::parse(url).unwrap());
        assert_eq!(
            relation("http://app1.localhost:8082/x"),
            Relation::SameOrigin
        );
        assert_eq!(relation("http://app1.localhost:8182/x"), Relation::SameSite);
        assert_eq!(relation("http://idp.localhost:8082/x"), Relation::CrossSite);
    }

    #[test]
    fn a_page_that_hides_its_address_hides_its_origin() {
        let origin = |policy, relation| Initiator::of(&page(policy)).origin_for(relation);
        assert_eq!(origin("no-referrer", Relation::SameOrigin), "null");
        assert_eq!(origin("same-origin", Relation::CrossSite), "null");
        assert_eq!(
            origin("same-origin", Relation::SameOrigin),
            "http://app1.localhost:8082"
        );
        assert_eq!(
            origin("", Relation::CrossSite),
            "http://app1.localhost:8082"
        );
    }
}
