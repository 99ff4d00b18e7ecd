//! `GET /`: describes the API.

use actix_web::{
    HttpResponse,
    middleware::from_fn,
    web::{self, Data, ServiceConfig},
};
use web_kit::ui::{self, ApiCall, ApiPage, Site};

use crate::{AUDIENCE, scope};

const CALLS: [ApiCall; 3] = [
    ApiCall {
        method: "GET",
        path: "/resource",
        scope: scope::READ,
        what: "Lists the stock.",
    },
    ApiCall {
        method: "POST",
        path: "/resource",
        scope: scope::WRITE,
        what: "Reserves stock.",
    },
    ApiCall {
        method: "GET",
        path: "/whoami",
        scope: "",
        what: "Shows how the API interpreted your token, without the token itself.",
    },
];

/// The issuer's name, as in the tokens.
pub(crate) struct Issuer(pub(crate) String);

/// The routes of the page and its files.
pub(crate) fn routes(cfg: &mut ServiceConfig) {
    let in_words = from_fn(|req, next| ui::error_pages(Site::Api2, req, next));
    cfg.service(web::resource("/").wrap(in_words).route(web::get().to(home)))
        .configure(ui::assets);
}

async fn home(issuer: Data<Issuer>) -> HttpResponse {
    let page = ApiPage {
        site: Site::Api2,
        title: "Inventory API",
        lead: "API-2 is a resource server that speaks HTTP and gRPC. It has no sessions and no cookies: each call brings an access token. The apps call API-2 over gRPC. API-1 exchanges the user's token first, and calls API-2 with the new one.",
        audience: AUDIENCE,
        issuer: issuer.0.clone(),
        grpc: Some("sso.inventory.v1.Inventory/{List,Reserve}"),
        calls: &CALLS,
        ways: Vec::new(),
    };
    page.respond()
}
