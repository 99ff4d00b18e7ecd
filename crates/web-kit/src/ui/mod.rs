//! The design of all pages: the shell around a page's body, its headers, its style
//! sheet, the colours of the sites, the page for a message. The text of a page is in the
//! service's own `pages`.

mod api;
mod assets;
#[cfg(test)]
mod colours_tests;
mod csp;
mod error_pages;
mod message;
mod notices;
mod sites;
#[cfg(feature = "swagger")]
pub mod swagger;
mod time;
mod units;
mod weakened;

use std::cell::Cell;

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self, ContentType},
    },
};
pub use api::{ApiCall, ApiPage};
use askama::Template;
pub use assets::{Source, asset_url, assets, assets_and};
pub(crate) use assets::{icon, shared_url};
pub use csp::{Csp, let_frame};
pub use error_pages::{error_pages, error_pages_around, fallback};
pub(crate) use error_pages::{is_navigation, wants_page};
pub use kit::config::Site;
use kit::{config::Sites, journey, telemetry::context::TraceContext};
pub use message::{Message, Way};
pub use notices::{NOTICES, Notice, PAGE_FAILURES, announce, announce_and_watch};
pub use rust_embed;
pub use sites::{SiteLink, sites};
pub use time::utc;
pub use units::unbroken;
use weakened::Weakened;
pub use weakened::showing;

thread_local! {
    /// The sites of the deployment whose pages this thread renders. It is set when a worker
    /// starts, so that no page needs it as an argument.
    static DEPLOYED: Cell<Sites> = Cell::new(Sites::default());
}

/// The pages that this thread renders link only to these sites.
pub(crate) fn deployed(sites: Sites) {
    DEPLOYED.set(sites);
}

#[derive(Template)]
#[template(path = "shell.html")]
struct Shell<'a> {
    site: Site,
    /// The sites of the deployment.
    line: Vec<Site>,
    /// Whether the deployment has the lab.
    is_lab: bool,
    title: &'a str,
    favicon: String,
    colours: String,
    look: String,
    notices: Vec<Notice>,
    /// Where the page asks for later notices.
    watched: Option<&'static str>,
    /// The script that counts the notices down.
    ticking: String,
    body: &'a str,
    weakened: Weakened,
}

/// A whole page: `body` inside the shell of `site`, with the headers of all pages. The
/// tab shows `title`. `csp` is [`Csp::strict`] with the page's own additions.
pub fn page(
    site: Site,
    title: &str,
    status: StatusCode,
    body: &impl Template,
    csp: &Csp,
) -> HttpResponse {
    let whole = body.render().and_then(|body| {
        let sites = DEPLOYED.get();
        let (notices, watched) = notices::now();
        let line = Site::ALL.into_iter();
        let shell = Shell {
            site,
            line: line.filter(|one| *one == site || sites.has(*one)).collect(),
            is_lab: sites.has(Site::Lab),
            title,
            favicon: assets::favicon_url(site),
            colours: assets::shared_url("colours.css"),
            look: assets::shared_url("look.css"),
            notices,
            watched,
            ticking: assets::shared_url("notices.js"),
            body: &body,
            weakened: Weakened::of_request(),
        };
        shell.render()
    });
    match whole {
        Ok(html) => with_page_headers(status, &within_journey(csp))
            .insert_header(ContentType::html())
            .body(html),
        Err(error) => {
            tracing::error!("a page could not be rendered: {error}");
            with_page_headers(StatusCode::INTERNAL_SERVER_ERROR, &Csp::strict())
                .insert_header(ContentType::plaintext())
                .body("This page could not be made. The service's log says why.\n")
        }
    }
}

/// The policy of a page of a journey: its forms may lead to the lab, too, where the way of a
/// journey's login can end.
fn within_journey(csp: &Csp) -> Csp {
    let lab = TraceContext::current_journey().and_then(|_| journey::of_process());
    let csp = csp.clone();
    match lab {
        Some(keys) => csp.form_action(keys.lab_url()),
        None => csp,
    }
}

fn with_page_headers(status: StatusCode, csp: &Csp) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CONTENT_SECURITY_POLICY, csp.to_string()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        // `no-referrer` would make the page's own forms send `Origin: null`.
        .insert_header((header::REFERRER_POLICY, "same-origin"))
        .insert_header(("Cross-Origin-Opener-Policy", "same-origin"))
        .insert_header((
            "Permissions-Policy",
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Template)]
    #[template(source = "<p>{{ text }}</p>", ext = "html")]
    struct Body {
        text: &'static str,
    }

    fn rendered(site: Site, title: &str, text: &'static str) -> HttpResponse {
        page(site, title, StatusCode::OK, &Body { text }, &Csp::strict())
    }

    async fn html(response: HttpResponse) -> String {
        let bytes = actix_web::body::to_bytes(response.into_body())
            .await
            .unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[actix_web::test]
    async fn title_and_body_are_escaped() {
        let html = html(rendered(Site::Idp, "</title><script>", "<b>&")).await;
        assert!(!html.contains("<script>"));
        assert!(html.contains("&#60;b&#62;&#38;"), "{html}");
    }

    #[actix_web::test]
    async fn a_page_says_whose_it_is() {
        for site in Site::ALL {
            let html = html(rendered(site, "t", "x")).await;
            assert!(html.contains(&format!("<body class=\"of-{}\">", site.short_name())));
            assert!(html.contains(&format!(
                "<li aria-current=\"true\">{}</li>",
                site.short_name()
            )));
            assert_eq!(html.matches("aria-current").count(), 1);
        }
    }

    #[actix_web::test]
    async fn a_page_names_only_what_the_deployment_has() {
        let own = html(rendered(Site::Idp, "t", "x")).await;
        assert!(own.contains(">lab</li>") && own.contains("a lab for single sign-on"));
        let sites: Sites = "idp,app1,api1,api2".parse().unwrap();
        deployed(sites);
        let shown = html(rendered(Site::Idp, "t", "x")).await;
        deployed(Sites::default());
        for absent in ["lab", "app2", "spa", "evil"] {
            assert!(!shown.contains(&format!(">{absent}</li>")), "{absent}");
        }
        assert!(shown.contains(">app1</li>") && shown.contains(">idp</li>"));
        assert!(!shown.contains("a lab for single sign-on") && !shown.contains("a place to watch"));
    }

    #[actix_web::test]
    async fn a_page_shows_notices_and_escapes_them() {
        let before = html(rendered(Site::Idp, "t", "x")).await;
        assert!(!before.contains("class=\"notices\""));
        announce(|| {
            vec![Notice {
                text: "The <store> is away.".to_owned(),
                remaining_ms: 41_500,
                href: "http://lab.localhost:8080/failures".to_owned(),
            }]
        });
        let shown = html(rendered(Site::Idp, "t", "x")).await;
        notices::none();
        assert!(shown.contains("The &#60;store&#62; is away."), "{shown}");
        assert!(shown.contains("href=\"http://lab.localhost:8080/failures\""));
        assert!(
            shown.contains("data-remaining=\"41500\"") && shown.contains("It ends in 42&nbsp;s.")
        );
        assert!(shown.contains("/assets/notices.js?v=") && !shown.contains("data-watch"));
    }

    #[actix_web::test]
    async fn a_page_that_watches_has_a_place_for_what_begins_later() {
        announce_and_watch(Vec::new);
        let shown = html(rendered(Site::Lab, "t", "x")).await;
        notices::none();
        let place = "aria-live=\"polite\" data-watch=\"/lab/notices\" hidden>";
        assert!(shown.contains(place), "{shown}");
        assert!(shown.contains("/assets/notices.js?v="));
    }

    #[test]
    fn a_page_is_never_stored_framed_or_without_a_policy() {
        let response = rendered(Site::App1, "t", "x");
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "same-origin");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
        assert_eq!(header("content-security-policy"), Csp::strict().to_string());
    }

    #[actix_web::test]
    async fn the_shell_has_no_inline_style_or_script() {
        let html = html(rendered(Site::Lab, "t", "x")).await;
        assert!(!html.contains("style=") && !html.contains("<style") && !html.contains("<script"));
    }
}
