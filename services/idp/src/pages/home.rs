//! The home page of the provider.

use actix_web::{HttpResponse, http::StatusCode};
use askama::Template;
use web_kit::ui::{Csp, Site, SiteLink, page};

/// Explains the site to people who open the issuer in a browser.
#[derive(Clone, Debug, Template)]
#[template(path = "home.html")]
pub(crate) struct HomePage {
    /// The issuer, exactly.
    pub issuer: String,
    /// All services (`ui::sites`).
    pub sites: Vec<SiteLink>,
}

impl HomePage {
    /// The page.
    pub(crate) fn respond(&self) -> HttpResponse {
        page(
            Site::Idp,
            "OpenID Provider",
            StatusCode::OK,
            self,
            &Csp::strict(),
        )
    }
}

#[cfg(test)]
mod tests {
    use kit::config::Addresses;
    use web_kit::ui::sites;

    use super::*;

    #[test]
    fn it_leads_to_discovery_keys_and_every_other_service() {
        let addresses = Addresses::default();
        let home = HomePage {
            issuer: "http://idp.localhost:8081".into(),
            sites: sites(&addresses),
        };
        let html = home.render().unwrap();
        for link in [
            "/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server",
            "/jwks",
            "/account",
            "/device",
            "http://app1.localhost:8082",
            "http://api2.localhost:8085",
        ] {
            assert!(html.contains(&format!("href=\"{link}\"")), "{link}");
        }
        assert!(!html.contains("href=\"http://idp.localhost:8081"));
    }
}
