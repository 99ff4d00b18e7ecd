//! The routes, and the middleware around them.

use actix_cors::Cors;
use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    guard::fn_guard,
    http::Method,
    middleware::{Condition, Next, from_fn},
    web::{self, ServiceConfig},
};
use kit::config::Weakness;
use web_kit::{
    problem::Problem,
    trace,
    ui::{self, Site},
};

use crate::{
    backchannel_logout::{self, backchannel_logout},
    callback::callback,
    cookies,
    csrf::{Csrf, PAGES, guard},
    events::events,
    home::home,
    login::login,
    logout::logout,
    openapi::openapi,
    pages::{self, DocsPage},
    proxy::{Upstreams, api1, api2},
    server_timing,
    session_status::session,
    sessions::Purpose,
    state::Bff,
    user_sessions,
};

/// Where a request's trace begins: for a login at `/login`, for a logout token at the
/// provider, for all others here.
pub(crate) fn trace_from(method: &Method, path: &str) -> trace::Origin {
    match path {
        "/login" | "/callback" => trace::Origin::Login,
        // Another site's page cannot send a `traceparent` there: it would need a
        // preflight (Fetch §4.8), which no route answers.
        backchannel_logout::PATH if method == Method::POST => trace::Origin::Caller,
        _ => trace::Origin::New,
    }
}

/// All routes of an app.
pub(crate) fn routes(
    cfg: &mut ServiceConfig,
    bff: web::Data<Bff>,
    csrf: web::Data<Csrf>,
    upstreams: web::Data<Upstreams>,
) {
    let site = bff.app.site;
    let weaknesses = bff.weaknesses;
    let page = |path: &str| web::resource(path.to_owned());
    // Without the guard: the one unsafe call from another origin, which no cookie
    // authenticates.
    let from_provider = web::resource(backchannel_logout::PATH)
        .app_data(bff.clone())
        .route(web::post().to(backchannel_logout));
    let guarding = csrf.clone();
    let guarded = web::scope("")
        .app_data(bff)
        .app_data(csrf)
        .app_data(upstreams)
        .wrap(from_fn(move |req, next| {
            around(site, guarding.clone(), req, next)
        }))
        .wrap(Condition::new(
            weaknesses.are_possible(),
            from_fn(move |req, next| cookies::weakened(weaknesses, req, next)),
        ))
        .wrap(Condition::new(
            weaknesses.contains(Weakness::CorsAnyOrigin),
            Cors::permissive(),
        ))
        // Routes are tried in this order: calls come most often.
        .configure(calls)
        .service(page("/").route(web::get().to(home)))
        .service(page("/login").route(web::get().to(login)))
        .service(page("/callback").route(web::get().to(callback)))
        .service(page("/docs").route(web::get().to(docs)))
        .service(page("/logout").route(web::post().to(logout)))
        .service(web::resource("/session").route(web::get().to(session)))
        .service(web::resource("/session/events").route(web::get().to(events)))
        .service(web::resource("/sessions").route(web::get().to(user_sessions::list)))
        .service(web::resource("/sessions/{handle}").route(web::delete().to(user_sessions::end)))
        .service(web::resource("/openapi.json").route(web::get().to(openapi)))
        .configure(|cfg| {
            if weaknesses.are_possible() {
                let weakened = fn_guard(move |_| weaknesses.has(Weakness::GetOrders));
                let by_get = web::resource("/api1/order").guard(weakened);
                cfg.service(by_get.route(web::get().to(api1::place_by_get)));
            }
        })
        .default_service(ui::fallback(site));
    let docs_asset = async |file: web::Path<String>| pages::docs_asset(&file);
    cfg.configure(pages::assets)
        .service(web::scope("/docs/ui").route("/{file}", web::get().to(docs_asset)))
        .service(from_provider)
        .service(guarded);
}

/// The calls to the APIs.
fn calls(cfg: &mut ServiceConfig) {
    let orders = web::resource("/api1/data");
    let stock = web::resource("/api2/data");
    cfg.service(
        orders
            .route(web::get().to(api1::list))
            .route(web::post().to(api1::place)),
    )
    .service(web::resource("/api1/report").route(web::get().to(api1::report)))
    .service(web::resource("/api1/whoami").route(web::get().to(api1::whoami)))
    .service(
        stock
            .route(web::get().to(api2::list))
            .route(web::post().to(api2::reserve)),
    )
    .service(web::resource("/api2/whoami").route(web::get().to(api2::whoami)));
}

/// The middleware around each request: a single one, because each costs time on every
/// call. An error is a page if a person opened a page, else problem+json.
async fn around<B: MessageBody + 'static>(
    site: Site,
    csrf: web::Data<Csrf>,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let is_page = PAGES.contains(&req.path());
    let guarded = async |req| guard(site, &csrf, req, next).await;
    let answering = async |req| server_timing::measured(req, guarded).await;
    if is_page {
        ui::error_pages_around(site, req, answering).await
    } else {
        answering(req)
            .await
            .map(ServiceResponse::map_into_left_body)
    }
}

/// `GET /docs`.
async fn docs(req: HttpRequest, bff: web::Data<Bff>) -> Result<HttpResponse, Problem> {
    let (session, set) = bff.sessions.open(&req, Purpose::USE).await?;
    let page = DocsPage {
        app_name: bff.app.name.to_owned(),
        site: bff.app.site,
        signed_in: session.is_some(),
    };
    Ok(set.add_to(page.respond()))
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "guard_tests.rs"]
mod guarded;

#[cfg(test)]
#[path = "flow_tests.rs"]
mod flow;

#[cfg(test)]
#[path = "callback_tests.rs"]
mod answers;

#[cfg(test)]
#[path = "logout_tests.rs"]
mod leaving;
