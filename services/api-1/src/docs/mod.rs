//! The API's pages. `/` describes the API. `/docs` is Swagger UI, which signs in with
//! code and PKCE as a public client and calls the API with the token. Page and API
//! have the same origin, so these calls need no CORS.

mod home;
mod openapi;
mod page;

use actix_web::{
    HttpResponse,
    http::header,
    middleware::from_fn,
    web::{self, Data, ServiceConfig},
};
use web_kit::ui::{self, Site, swagger};

/// The path of the redirect URI, as registered at the provider.
const REDIRECT: &str = "/docs/oauth2-redirect.html";

/// The state of the routes: the issuer and the API's description.
pub(crate) struct Docs {
    issuer: String,
    description: utoipa::openapi::OpenApi,
}

impl Docs {
    /// For the provider `issuer`.
    pub(crate) fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            description: openapi::describe(issuer),
        }
    }
}

/// The routes of the pages.
pub(crate) fn routes(cfg: &mut ServiceConfig) {
    let page = |path: &str| {
        web::resource(path).wrap(from_fn(|req, next| ui::error_pages(Site::Api1, req, next)))
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
