//! `GET /`: describes the API.

use actix_web::{HttpResponse, web::Data};
use web_kit::ui::{Accent, ApiCall, ApiPage, Way};

use super::Docs;
use crate::{
    AUDIENCE,
    http::{READ, WRITE},
};

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
        what: "Places an order: it reserves stock at API-2 first, with a token that yours is exchanged for.",
    },
    ApiCall {
        method: "GET",
        path: "/report",
        scope: READ,
        what: "Shows your orders and the stock together; API-2 is asked with an exchanged token.",
    },
    ApiCall {
        method: "GET",
        path: "/whoami",
        scope: "",
        what: "Says what your token was taken to say, never the token.",
    },
];

pub(super) async fn home(docs: Data<Docs>) -> HttpResponse {
    let way = |label: &str, href: &str| Way {
        label: label.to_owned(),
        href: href.to_owned(),
    };
    let page = ApiPage {
        accent: Accent::Api1,
        title: "The API of the orders",
        lead: "API-1 is a resource server. It keeps no session and no cookie: each call brings an access token, and the token says who you are and what you may do.",
        audience: AUDIENCE,
        issuer: docs.issuer.clone(),
        grpc: None,
        calls: &CALLS,
        ways: vec![
            way("Try it", "/docs"),
            way("Its description (OpenAPI)", "/openapi.json"),
        ],
    };
    page.respond()
}
