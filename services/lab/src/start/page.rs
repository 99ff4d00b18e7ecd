//! The content of the start page.

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, ServiceConfig},
};
use askama::Template;
use kit::config::Site;
use web_kit::ui::{
    self, Csp, SiteLink,
    rust_embed::{self, RustEmbed},
};

use crate::{Config, attacks, failures, inspector, journey, scenarios};

#[derive(RustEmbed)]
#[folder = "assets/start/"]
struct Own;

/// Serves `/assets/…`.
pub(super) fn assets(cfg: &mut ServiceConfig) {
    ui::assets_and(cfg, |name| {
        let own = Own::get(name).or_else(|| journey::file(name));
        own.or_else(|| scenarios::file(name))
            .or_else(|| attacks::file(name))
            .or_else(|| failures::file(name))
            .or_else(|| inspector::file(name))
    });
}

/// A user of the built-in configuration.
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
    /// Whether alice and bob can sign in.
    demo_users: bool,
    /// Whether there is a live diagram.
    has_diagram: bool,
    app1_url: Option<String>,
    app2_url: Option<String>,
    idp_url: Option<String>,
    api1_url: Option<String>,
    spa_url: Option<String>,
    evil_url: Option<String>,
}

impl StartPage {
    pub(super) fn new(config: &Config) -> Self {
        let addresses = &config.addresses;
        Self {
            sites: ui::sites(addresses),
            demo_users: config.demo_users,
            has_diagram: config.journeys.is_some(),
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
        Site::Lab,
        "Start",
        StatusCode::OK,
        page.get_ref(),
        &Csp::strict(),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kit::{config::Addresses, journey::JourneyKeys};

    use super::*;
    use crate::served;

    #[test]
    fn users_are_listed_if_this_deployment_has_them() {
        let page = |demo_users| {
            let config = Config {
                demo_users,
                ..served::config()
            };
            StartPage::new(&config).render().unwrap()
        };
        for demo in ["alice", "wonderland", "bob", "builder", "Demo passwords"] {
            assert!(page(true).contains(demo), "{demo}");
            assert!(!page(false).contains(demo), "{demo}");
        }
    }

    #[test]
    fn the_live_diagram_is_the_first_way_on_where_there_is_one() {
        let base = served::config();
        let first = |config: &Config| {
            let html = StartPage::new(config).render().unwrap();
            let button = html.split("<a class=\"button big").nth(1).unwrap();
            button.split("</a>").next().unwrap().to_owned()
        };
        assert!(first(&base).ends_with("Start with app1"));
        let keys = JourneyKeys::new(&"a lab of a test".into(), &base.addresses.url(Site::Lab));
        let live = Config {
            journeys: Some(Arc::new(keys)),
            ..base
        };
        assert!(first(&live).ends_with("Watch your own login"));
    }

    #[test]
    fn it_lists_services_and_users() {
        let config = Config {
            addresses: Addresses::new("http", "localhost", 1000),
            ..served::config()
        };
        let html = StartPage::new(&config).render().unwrap();
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
