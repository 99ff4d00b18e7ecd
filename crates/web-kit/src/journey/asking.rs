//! Pages that ask the lab, each time a browser opens them, which journey it is in.

use actix_web::{
    HttpResponse,
    dev::ServiceRequest,
    http::{Method, header::HeaderMap},
};
use kit::config::Site;

use super::{JOIN, cookie, redirect};
use crate::{cookies::Cookies, ui::is_navigation};

/// The services that a browser does not join with the others, because of the bound on
/// redirects in a row (Fetch standard, HTTP-redirect fetch): each of their pages asks for the journey when it is opened.
pub const ASKING: [(Site, &str); 2] = [(Site::Api1, "api-1"), (Site::Api2, "api-2")];
/// Their pages, for people.
pub const PAGES: [&str; 2] = ["/", "/docs"];
/// The cookie that names the page for which the service has asked, and for how many seconds.
pub(crate) const ASKED_COOKIE: &str = "__Host-lab_page";
const ASKED_LIFE: i64 = 30;

/// Whether the pages of `service` ask which journey their browser is in.
pub(crate) fn asks(service: &str) -> bool {
    ASKING.iter().any(|(_, asking)| *asking == service)
}

/// Sends a browser that opens a page of such a service by way of the lab, which knows its
/// journey with the settings of this moment. `None`: it has just been there, or `req` opens no
/// page.
pub(crate) fn ask_first(req: &ServiceRequest) -> Option<HttpResponse> {
    let page = PAGES.into_iter().find(|page| *page == req.path())?;
    let opens = req.method() == Method::GET && req.query_string().is_empty();
    if !opens || !is_navigation(req.headers()) || asked_for(req.headers()) == Some(page) {
        return None;
    }
    let asked = cookie(ASKED_COOKIE, page.to_owned(), ASKED_LIFE);
    Some(redirect(JOIN, &[asked]))
}

/// Sends a browser whose ticket is not accepted to its page all the same: another tab has
/// asked meanwhile, or the browser stores no cookies. The query keeps the page from asking
/// again.
pub(super) fn without_journey(service: &str, headers: &HeaderMap) -> Option<HttpResponse> {
    let page = asks(service).then(|| asked_for(headers).unwrap_or(PAGES[0]))?;
    Some(redirect(&format!("{page}?journey=unknown"), &[]))
}

/// The page for which `service` has asked.
pub(crate) fn page_of(service: &str, headers: &HeaderMap) -> Option<&'static str> {
    asked_for(headers).filter(|_| asks(service))
}

fn asked_for(headers: &HeaderMap) -> Option<&'static str> {
    let cookies = Cookies::in_headers(headers);
    let named = cookies.get(ASKED_COOKIE)?;
    PAGES.into_iter().find(|page| *page == named)
}

#[cfg(test)]
mod tests {
    use actix_web::{http::header, test::TestRequest};

    use super::*;

    const NAVIGATION: [(&str, &str); 2] = [
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];

    fn asked(path: &str, headers: &[(&str, &str)]) -> Option<(String, String)> {
        let request = TestRequest::with_uri(path);
        let request = headers
            .iter()
            .fold(request, |all, one| all.insert_header(*one));
        let answer = ask_first(&request.to_srv_request())?;
        let set = answer.cookies().next().unwrap();
        let to = answer.headers().get(header::LOCATION).unwrap();
        Some((to.to_str().unwrap().to_owned(), set.value().to_owned()))
    }

    #[test]
    fn a_page_that_a_browser_opens_asks_once() {
        for page in PAGES {
            let (to, named) = asked(page, &NAVIGATION).unwrap();
            assert_eq!((&*to, &*named), (JOIN, page));
            let back = format!("{ASKED_COOKIE}={page}");
            let [mode, dest] = NAVIGATION;
            assert_eq!(asked(page, &[mode, dest, ("cookie", &back)]), None);
        }
    }

    #[test]
    fn a_page_whose_ticket_is_not_accepted_is_shown_without_a_journey() {
        let to = |service: &str, value: &str| {
            let request = TestRequest::default();
            let cookie = format!("{ASKED_COOKIE}={value}");
            let request = request.insert_header((header::COOKIE, cookie));
            let request = request.to_http_request();
            let answer = without_journey(service, request.headers())?;
            let to = answer.headers().get(header::LOCATION).unwrap().clone();
            Some(to.to_str().unwrap().to_owned())
        };
        let shown = to("api-1", "/docs").unwrap();
        assert_eq!(shown, "/docs?journey=unknown");
        assert_eq!(asked(&shown, &NAVIGATION), None, "it asks no second time");
        assert_eq!(to("api-2", "//evil").unwrap(), "/?journey=unknown");
        assert_eq!(to("idp", "/docs"), None);
    }

    #[test]
    fn nothing_else_asks() {
        for path in [
            "/resource",
            "/openapi.json",
            "/docs?x=1",
            "/assets/look.css",
        ] {
            assert_eq!(asked(path, &NAVIGATION), None, "{path}");
        }
        let script = [("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];
        assert_eq!(asked("/", &script), None);
        assert_eq!(asked("/", &[]), None);
        assert!(asks("api-1") && asks("api-2") && !asks("app1-bff") && !asks("idp"));
    }

    #[test]
    fn the_way_back_leads_to_a_page_of_such_a_service_alone() {
        let named = |value: &str| {
            let request = TestRequest::default();
            let cookie = format!("{ASKED_COOKIE}={value}");
            let request = request.insert_header((header::COOKIE, cookie));
            let headers = request.to_http_request().headers().clone();
            ["api-1", "app1-bff"].map(|service| page_of(service, &headers))
        };
        assert_eq!(named("/docs"), [Some("/docs"), None]);
        assert_eq!(named("//evil.localhost"), [None, None]);
    }
}
