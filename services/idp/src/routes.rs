//! The provider's endpoints.

use std::sync::Arc;

use actix_web::{
    Error, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::Method,
    middleware::{Next, from_fn},
    web::{self, Data, ServiceConfig},
};
use kit::config::{Addresses, Weakness, Weaknesses};
use url::Url;
use web_kit::{
    cors::cors,
    trace::Origin,
    ui::{self, Site},
};

use crate::{
    Idp, account, authorize, device, discovery, grant_management, introspect, logout,
    pages::HomePage, revoke, settings::Settings, token, userinfo,
};

/// Where the trace of a request begins: at the client, or for a browser here or at its
/// login.
pub(crate) fn trace(_: &Method, path: &str) -> Origin {
    match path {
        token::PATH
        | authorize::PAR_PATH
        | device::AUTHORIZATION_PATH
        | userinfo::PATH
        | "/jwks"
        | "/revoke"
        | "/grants"
        | "/grants/end"
        | introspect::PATH => Origin::Caller,
        "/authorize" | authorize::CONTINUE_PATH | "/sign-in" | "/consent" => Origin::Login,
        _ if path.starts_with("/.well-known/") => Origin::Caller,
        _ => Origin::New,
    }
}

/// All routes.
pub(crate) fn configure(
    idp: Arc<Idp>,
    addresses: &Addresses,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let discovery = Data::new(discovery::Discovery::new(&idp));
    let origins: Arc<[String]> = public_origins(&idp.settings).into();
    let home = Data::new(HomePage {
        issuer: idp.issuer.clone(),
        sites: ui::sites(addresses),
    });
    let idp = Data::from(idp);
    let weaknesses = idp.weaknesses;
    move |cfg: &mut ServiceConfig| {
        cfg.app_data(idp.clone())
            .app_data(discovery.clone())
            .app_data(home.clone())
            .configure(|cfg| pages(cfg, weaknesses))
            .configure(client_endpoints)
            .configure(|cfg| token_endpoints(cfg, &origins))
            .configure(|cfg| published_documents(cfg, &origins))
            .configure(ui::assets)
            .default_service(ui::fallback(Site::Idp));
    }
}

/// The routes of the mTLS port: what clients call, and nothing for browsers.
pub(crate) fn configure_mtls(
    idp: Arc<Idp>,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let idp = Data::from(idp);
    move |cfg: &mut ServiceConfig| {
        cfg.app_data(idp.clone())
            .configure(client_endpoints)
            .configure(|cfg| token_endpoints(cfg, &[]))
            .default_service(ui::fallback(Site::Idp));
    }
}

/// What people see in the browser. Errors are pages.
fn pages(cfg: &mut ServiceConfig, weaknesses: Weaknesses) {
    let page = |path: &str| {
        web::resource(path)
            .wrap(from_fn(|req, next| ui::error_pages(Site::Idp, req, next)))
            .wrap(from_fn(move |req, next| frame(weaknesses, req, next)))
    };
    cfg.service(
        page("/authorize")
            .route(web::get().to(authorize::endpoint))
            .route(web::post().to(authorize::endpoint)),
    )
    .service(page(authorize::SIGN_IN_PATH).route(web::post().to(authorize::sign_in)))
    .service(page(authorize::CONSENT_PATH).route(web::post().to(authorize::consent)))
    .service(
        page(logout::PATH)
            .route(web::get().to(logout::endpoint))
            .route(web::post().to(logout::endpoint)),
    )
    .service(page(account::PATH).route(web::get().to(account::endpoint)))
    .service(page(account::SIGN_IN_PATH).route(web::post().to(account::sign_in)))
    .service(page(account::END_PATH).route(web::post().to(account::end)))
    .service(
        page(device::PATH)
            .route(web::get().to(device::endpoint))
            .route(web::post().to(device::submit)),
    )
    .service(page(device::SIGN_IN_PATH).route(web::post().to(device::sign_in)))
    .service(page(device::ANSWER_PATH).route(web::post().to(device::answer)))
    .service(page("/").route(web::get().to(home_page)));
    if kit::journey::is_lab() {
        let go_on = page(authorize::CONTINUE_PATH);
        cfg.service(go_on.route(web::post().to(authorize::go_on)));
    }
}

/// What clients call from a server.
fn client_endpoints(cfg: &mut ServiceConfig) {
    cfg.service(
        web::resource(grant_management::LIST_PATH).route(web::post().to(grant_management::list)),
    )
    .service(web::resource(grant_management::END_PATH).route(web::post().to(grant_management::end)))
    .service(web::resource(introspect::PATH).route(web::post().to(introspect::endpoint)))
    .service(web::resource(authorize::PAR_PATH).route(web::post().to(authorize::par)))
    .service(
        web::resource(device::AUTHORIZATION_PATH).route(web::post().to(device::authorization)),
    );
}

/// What public clients call with their tokens, from the browser as well (CORS).
fn token_endpoints(cfg: &mut ServiceConfig, origins: &[String]) {
    let shared = |path: &str| web::resource(path).wrap(cors(path, origins));
    cfg.service(shared(token::PATH).route(web::post().to(token::endpoint)))
        .service(shared("/revoke").route(web::post().to(revoke::endpoint)))
        .service(
            shared(userinfo::PATH)
                .route(web::get().to(userinfo::endpoint))
                .route(web::post().to(userinfo::endpoint)),
        );
}

/// What the pages of public clients read as well (CORS).
fn published_documents(cfg: &mut ServiceConfig, origins: &[String]) {
    let shared = |path: &str| web::resource(path).wrap(cors(path, origins));
    cfg.service(shared("/jwks").route(web::get().to(discovery::jwks)))
        .service(
            shared("/.well-known/openid-configuration").route(web::get().to(discovery::endpoint)),
        )
        .service(
            shared("/.well-known/oauth-authorization-server")
                .route(web::get().to(discovery::endpoint)),
        );
}

/// The pages forbid framing, unless a weakened lab allows it.
async fn frame<B: MessageBody>(
    weaknesses: Weaknesses,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let mut answered = next.call(req).await?;
    if weaknesses.has(Weakness::Framable) {
        ui::let_frame(answered.headers_mut());
    }
    Ok(answered)
}

async fn home_page(home: Data<HomePage>) -> HttpResponse {
    home.respond()
}

/// The origins of public clients: those of their redirect URIs.
fn public_origins(settings: &Settings) -> Vec<String> {
    let public = settings.clients().filter(|client| client.is_public());
    let uris = public.flat_map(|client| &client.redirect_uris);
    uris.filter_map(|uri| uri.parse::<Url>().ok())
        .map(|url| url.origin().ascii_serialization())
        .collect()
}
