//! What is where, and the pages.

use actix_cors::Cors;
use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode, header},
    middleware::{Condition, Next, from_fn},
    web::{self, ServiceConfig},
};
use kit::config::{Weakness, Weaknesses};
use serde_json::json;
use web_kit::{
    look::{self, Accent},
    problem::Problem,
    trace,
};

use crate::{
    backchannel_logout::{self, backchannel_logout},
    callback::callback,
    cookies,
    csrf::{Csrf, PAGES, guard},
    events::events,
    home::home,
    login::login,
    logout::{leftovers, logout},
    openapi::openapi,
    pages::{self, DocsPage},
    params::Params,
    price::priced,
    proxy::{Upstreams, api1, api2},
    sessions::{About, Purpose},
    state::Bff,
    user_sessions,
};

/// Where a request's trace begins: a login's at `/login`, what the provider
/// sends at the provider, all others here.
pub(crate) fn trace_from(method: &Method, path: &str) -> trace::From {
    match path {
        "/login" | "/callback" => trace::From::Journey,
        // No page of another site can send a `traceparent` there: it would need
        // a preflight (Fetch §4.8), and there is no answer to one.
        backchannel_logout::PATH if method == Method::POST => trace::From::Caller,
        _ => trace::From::Fresh,
    }
}

/// All routes of an app.
pub(crate) fn routes(
    cfg: &mut ServiceConfig,
    bff: web::Data<Bff>,
    csrf: web::Data<Csrf>,
    upstreams: web::Data<Upstreams>,
) {
    let accent = bff.accent();
    let weaknesses = bff.weaknesses;
    let page = |path: &str| web::resource(path.to_owned());
    // No cookie counts there: it is the one unsafe call that comes from elsewhere.
    let from_provider = web::resource(backchannel_logout::PATH)
        .app_data(bff.clone())
        .route(web::post().to(backchannel_logout));
    let guarding = csrf.clone();
    let guarded = web::scope("")
        .app_data(bff)
        .app_data(csrf)
        .app_data(upstreams)
        .wrap(from_fn(move |req, next| {
            around(accent, guarding.clone(), req, next)
        }))
        .wrap(Condition::new(
            weaknesses != Weaknesses::default(),
            from_fn(move |req, next| cookies::weakened(weaknesses, req, next)),
        ))
        .wrap(Condition::new(
            weaknesses.has(Weakness::CorsAnyOrigin),
            Cors::permissive(),
        ))
        // Routes are tried in this order: calls come most often.
        .service(
            web::resource("/api1/data")
                .route(web::get().to(api1::list))
                .route(web::post().to(api1::place)),
        )
        .service(web::resource("/api1/report").route(web::get().to(api1::report)))
        .service(
            web::resource("/api2/data")
                .route(web::get().to(api2::list))
                .route(web::post().to(api2::reserve)),
        )
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
            if weaknesses.has(Weakness::GetOrders) {
                cfg.route("/api1/order", web::get().to(api1::place_by_get));
            }
        })
        .default_service(look::fallback(accent));
    let docs_asset = async |file: web::Path<String>| pages::docs_asset(&file);
    cfg.configure(pages::assets)
        .service(web::scope("/docs/ui").route("/{file}", web::get().to(docs_asset)))
        .service(from_provider)
        .service(guarded);
}

/// What surrounds each request of the app: one middleware, for a call pays for
/// each. A person who opens a page sees a page, whatever goes wrong; scripts and
/// services get problem+json.
async fn around<B: MessageBody + 'static>(
    accent: Accent,
    csrf: web::Data<Csrf>,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let is_page = PAGES.contains(&req.path());
    let guarded = async |req| guard(accent, &csrf, req, next).await;
    let answering = async |req| priced(req, guarded).await;
    if is_page {
        look::error_pages_around(accent, req, answering).await
    } else {
        answering(req)
            .await
            .map(ServiceResponse::map_into_left_body)
    }
}

/// `GET /docs`.
async fn docs(req: HttpRequest, bff: web::Data<Bff>) -> Result<HttpResponse, Problem> {
    let signed_in = bff.signed_in(&req).await?.is_some();
    Ok(DocsPage {
        app_name: bff.app.name.to_owned(),
        accent: bff.accent(),
        signed_in,
    }
    .respond())
}

/// `GET /session`: whose session it is. Never a token.
#[utoipa::path(
    get, path = "/session", summary = "Who is signed in", tag = "This app",
    responses((status = 200, description = "Who is signed in, or authenticated: false"))
)]
pub(crate) async fn session(
    req: HttpRequest,
    bff: web::Data<Bff>,
) -> Result<HttpResponse, Problem> {
    let slide = slides(req.query_string()).map_err(|why| {
        Problem::new(StatusCode::BAD_REQUEST, "The query cannot be read").detail(why)
    })?;
    let session = bff.session(&req, Purpose::Look { slide }).await?;
    let body = match &session {
        None => json!({
            "authenticated": false,
            "mode": bff.sessions.settings().mode,
            // Of sessions that this browser has ended: nobody can call it back.
            "still_valid": leftovers::in_marker(&bff.sessions.still_good(&req)),
        }),
        Some(session) => described(session.about()),
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(body))
}

/// Whether a look at the session counts as a use of it.
fn slides(query: &str) -> Result<bool, String> {
    let params = Params::read(query.as_bytes()).map_err(|error| error.to_string())?;
    match params.get("slide") {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err("slide is true or false.".to_owned()),
    }
}

/// What scripts may know of a session.
fn described(about: &About) -> serde_json::Value {
    json!({
        "authenticated": true,
        "user": about.user,
        "mode": about.mode,
        "created_at": about.created_at.secs(),
        "last_used_at": about.slid_at.secs(),
        "expires_at": about.expires_at.secs(),
        "ends_at": about.ends_at.secs(),
    })
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
