//! `GET /`: describes the API.

use actix_web::{HttpResponse, web::Data};
use web_kit::ui::{ApiCall, ApiPage, Site, Way};

use super::Docs;
use crate::{AUDIENCE, READ, WRITE};

const CALLS: [ApiCall; 4] = [
    ApiCall {
        method: "GET",
        path: "/resource",
        scope: READ,
        what: "Lists your orders.",
    },
    ApiCall {
        method: "POST",
        path: "/resource",
        scope: WRITE,
        what: "Places an order: exchanges your token for one for API-2 and reserves the stock there first.",
    },
    ApiCall {
        method: "GET",
        path: "/report",
        scope: READ,
        what: "Shows your orders and the stock together; the call to API-2 uses an exchanged token.",
    },
    ApiCall {
        method: "GET",
        path: "/whoami",
        scope: "",
        what: "Shows how the API interpreted your token, without the token itself.",
    },
];

pub(super) async fn home(docs: Data<Docs>) -> HttpResponse {
    let way = |label: &str, href: &str| Way {
        label: label.to_owned(),
        href: href.to_owned(),
    };
    let page = ApiPage {
        site: Site::Api1,
        title: "Orders API",
        lead: "API-1 is a resource server. It has no sessions and no cookies: each call brings an access token, which says who you are and what you may do.",
        audience: AUDIENCE,
        issuer: docs.issuer.clone(),
        grpc: None,
        calls: &CALLS,
        ways: vec![
            way("Try it", "/docs"),
            way("OpenAPI description", "/openapi.json"),
        ],
    };
    page.respond()
}
