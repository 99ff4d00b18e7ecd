//! The headers that Chromium adds to a request: `Sec-Fetch-*` (Fetch Metadata) and
//! `Origin`.

use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, ORIGIN},
};
use url::{Origin, Url};

use super::response::Page;

/// The `Origin` of a page that hides its own.
const NO_ORIGIN: HeaderValue = HeaderValue::from_static("null");

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
    const fn as_str(self) -> &'static str {
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
    fn origin_for(&self, relation: Relation) -> HeaderValue {
        let hidden = match self.referrer_policy.as_str() {
            "no-referrer" => true,
            "same-origin" => relation != Relation::SameOrigin,
            _ => false,
        };
        if hidden {
            return NO_ORIGIN;
        }
        HeaderValue::try_from(self.origin.ascii_serialization()).unwrap_or(NO_ORIGIN)
    }
}

/// Scheme and host. Without the list of public suffixes each host counts as a site of
/// its own, as each name under `localhost` is to a browser.
fn site(url: &Url) -> (String, String) {
    (
        url.scheme().to_owned(),
        url.host_str().unwrap_or_default().to_owned(),
    )
}

/// The headers of a request for a document.
pub(super) fn of_navigation(
    initiator: Option<&Initiator>,
    method: &Method,
    relation: Relation,
) -> HeaderMap {
    let mut headers = of(&[
        (
            "accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        ),
        ("accept-language", "en"),
        ("upgrade-insecure-requests", "1"),
        ("sec-fetch-site", relation.as_str()),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-user", "?1"),
    ]);
    if *method == Method::POST {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        let origin = initiator.map_or(NO_ORIGIN, |by| by.origin_for(relation));
        headers.insert(ORIGIN, origin);
    }
    headers
}

/// The headers of a request by a script.
pub(super) fn of_fetch(initiator: &Initiator, method: &Method, relation: Relation) -> HeaderMap {
    let mut headers = of(&[
        ("accept", "*/*"),
        ("sec-fetch-site", relation.as_str()),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "empty"),
    ]);
    if !method.is_safe() {
        headers.insert(ORIGIN, initiator.origin_for(relation));
    }
    headers
}

fn of(headers: &[(&'static str, &'static str)]) -> HeaderMap {
    headers
        .iter()
        .map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::Response;

    fn page(policy: &'static str) -> Page {
        let mut headers = HeaderMap::new();
        headers.insert("referrer-policy", HeaderValue::from_static(policy));
        let response = Response {
            method: Method::GET,
            url: Url::parse("http://app1.localhost:8082/").unwrap(),
            status: 200,
            headers,
            body: String::new(),
        };
        Page::new(Vec::new(), response)
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
