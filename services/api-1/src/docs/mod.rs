//! The API's own pages. `/` says what the API is. At `/docs` page and resource
//! server are one: Swagger UI, which signs in by code and PKCE as a public client
//! and calls the API with the token. Its origin is the API's, so it needs no CORS
//! there.

mod home;
mod openapi;
mod page;

use actix_web::{
    HttpResponse,
    http::header,
    middleware::from_fn,
    web::{self, Data, ServiceConfig},
};
use web_kit::look::{self, Accent, swagger};

/// Where the provider sends the browser back to, as it is registered there.
const REDIRECT: &str = "/docs/oauth2-redirect.html";

/// What the routes need: the issuer, and its description of the API.
pub(crate) struct Docs {
    issuer: String,
    description: utoipa::openapi::OpenApi,
}

impl Docs {
    /// For the provider called `issuer`.
    pub(crate) fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            description: openapi::describe(issuer),
        }
    }
}

/// All routes of the documentation.
pub(crate) fn routes(cfg: &mut ServiceConfig) {
    let page = |path: &str| {
        web::resource(path).wrap(from_fn(|req, next| {
            look::error_pages(Accent::Api1, req, next)
        }))
    };
    cfg.service(page("/").route(web::get().to(home::home)))
        .service(page("/docs").route(web::get().to(page::docs)))
        .service(page(REDIRECT).route(web::get().to(page::redirect)))
        .service(web::resource("/openapi.json").route(web::get().to(description)))
        .configure(swagger::files)
        .configure(page::assets);
}

async fn description(docs: Data<Docs>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .json(&docs.description)
}
