//! The page of an API, for people who open its address in a browser.

use actix_web::{HttpResponse, http::StatusCode};
use askama::Template;

use super::{Csp, Site, Way, page};

/// The description of an API. All texts are escaped.
#[derive(Clone, Debug, Template)]
#[template(path = "api.html")]
pub struct ApiPage {
    /// The service whose page it is.
    pub site: Site,
    /// What it is, in a few words.
    pub title: &'static str,
    /// The same in a sentence or two.
    pub lead: &'static str,
    /// The audience of the access tokens that it accepts.
    pub audience: &'static str,
    /// The issuer of the tokens, as the tokens name it.
    pub issuer: String,
    /// Its gRPC service with its methods, if it has one.
    pub grpc: Option<&'static str>,
    /// Its calls over HTTP.
    pub calls: &'static [ApiCall],
    /// Links; the first one is the primary button.
    pub ways: Vec<Way>,
}

/// A call over HTTP.
#[derive(Clone, Copy, Debug)]
pub struct ApiCall {
    /// Its method.
    pub method: &'static str,
    /// Its path.
    pub path: &'static str,
    /// The scope that it needs; empty: any valid token does.
    pub scope: &'static str,
    /// What it does.
    pub what: &'static str,
}

impl ApiPage {
    /// The page.
    pub fn respond(&self) -> HttpResponse {
        page(self.site, self.title, StatusCode::OK, self, &Csp::strict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_it_is_whom_it_believes_and_what_it_can_be_asked_and_all_of_it_is_escaped() {
        let api = ApiPage {
            site: Site::Api2,
            title: "The <inventory>",
            lead: "It keeps stock.",
            audience: "https://api",
            issuer: "http://idp/\"><script>".to_owned(),
            grpc: None,
            calls: &[ApiCall {
                method: "GET",
                path: "/whoami",
                scope: "",
                what: "Says who.",
            }],
            ways: Vec::new(),
        };
        let html = api.render().unwrap();
        assert!(!html.contains("<script>") && !html.contains("<inventory>"));
        for said in ["https://api", "GET /whoami", "any valid token", "Says who."] {
            assert!(html.contains(said), "{said}: {html}");
        }
        assert!(!html.contains("gRPC") && !html.contains("class=\"ways\""));
    }
}
