//! The page of the live diagram. Its scripts are in `assets/journey`.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use askama::Template;
use kit::config::Site;
use web_kit::ui::{
    self, Csp,
    rust_embed::{self, EmbeddedFile, RustEmbed},
};

use super::LiveDiagram;

#[derive(RustEmbed)]
#[folder = "assets/journey/"]
struct Own;

/// A file of the page.
pub(crate) fn file(name: &str) -> Option<EmbeddedFile> {
    Own::get(name)
}

/// `GET /journey`.
#[derive(Template)]
#[template(path = "journey/page.html")]
struct DiagramPage {
    /// Whether this browser is in a journey.
    started: bool,
    demo_users: bool,
    app1_url: Option<String>,
    app2_url: Option<String>,
    jaeger_url: Option<String>,
}

impl DiagramPage {
    fn file(name: &str) -> String {
        ui::asset_url(file, name)
    }
}

pub(super) async fn show(req: HttpRequest, live: Data<LiveDiagram>) -> HttpResponse {
    let page = DiagramPage {
        started: live.journey(&req).is_some(),
        demo_users: live.demo_users,
        app1_url: live.addresses.link(Site::App1),
        app2_url: live.addresses.link(Site::App2),
        jaeger_url: live.jaeger_url.clone(),
    };
    // The form that begins a journey leads through all sites.
    let sites = Site::ALL.into_iter();
    let sites = sites.filter_map(|site| live.addresses.link(site));
    let csp = sites.fold(Csp::strict(), |csp, url| csp.form_action(&url));
    ui::page(Site::Lab, "Live diagram", StatusCode::OK, &page, &csp)
}
