//! What the start page shows.

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, ServiceConfig},
};
use askama::Template;
use kit::config::{Addresses, Site};
use web_kit::ui::{
    self, Accent, Csp, SiteLink,
    rust_embed::{self, RustEmbed},
};

#[derive(RustEmbed)]
#[folder = "assets/start/"]
struct Own;

/// Serves `/assets/…`.
pub(super) fn assets(cfg: &mut ServiceConfig) {
    ui::assets_and(cfg, Own::get);
}

/// A user of the default configuration, for a class to sign in as.
struct DemoUser {
    name: &'static str,
    password: &'static str,
    role: &'static str,
}

const DEMO_USERS: [DemoUser; 2] = [
    DemoUser {
        name: "alice",
        password: "wonderland",
        role: "manager",
    },
    DemoUser {
        name: "bob",
        password: "builder",
        role: "clerk",
    },
];

/// The page at `/`.
#[derive(Template)]
#[template(path = "start/page.html")]
pub(super) struct StartPage {
    sites: Vec<SiteLink>,
    app1_url: Option<String>,
    app2_url: Option<String>,
    idp_url: Option<String>,
    api1_url: Option<String>,
    spa_url: Option<String>,
    evil_url: Option<String>,
}

impl StartPage {
    pub(super) fn new(addresses: &Addresses) -> Self {
        Self {
            sites: ui::sites(addresses),
            app1_url: addresses.link(Site::App1),
            app2_url: addresses.link(Site::App2),
            idp_url: addresses.link(Site::Idp),
            api1_url: addresses.link(Site::Api1),
            spa_url: addresses.link(Site::Spa),
            evil_url: addresses.link(Site::Evil),
        }
    }

    fn style_sheet() -> String {
        ui::asset_url(Own::get, "start.css")
    }
}

pub(super) async fn show(page: Data<StartPage>) -> HttpResponse {
    ui::page(
        Accent::Lab,
        "Start",
        StatusCode::OK,
        page.get_ref(),
        &Csp::strict(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_runs_where_and_who_can_sign_in() {
        let html = StartPage::new(&Addresses::new("http", "localhost", 1000))
            .render()
            .unwrap();
        for shown in [
            "href=\"http://app1.localhost:9082\"",
            "href=\"http://app2.localhost:9083\"",
            "href=\"http://idp.localhost:9081\"",
            "gRPC on 10081",
            "gRPC on 10085",
            "href=\"http://spa.localhost:9086\"",
            "href=\"http://evil.localhost:9087\"",
            "wonderland",
            "builder",
        ] {
            assert!(html.contains(shown), "{shown}");
        }
        assert!(!html.contains(":8082"));
    }
}
