//! The live diagram: the lab receives the spans of one browser's requests, makes steps of
//! them, and sends these to the pages of that browser.

mod join;
mod otlp;
mod page;
mod recording;
mod settings;
mod step;
mod stream;
mod terminal;
mod then;

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::{StatusCode, header},
    web::{self, Data, ServiceConfig},
};
use kit::{
    Deps,
    clock::{Clock, Timestamp},
    config::Addresses,
    journey::{JourneyKeys, JourneyTag},
    random::Random,
    shutdown::Shutdown,
    telemetry::deliver_to,
};
use web_kit::{body::Body, client::client_addr, problem::Problem};

pub(crate) use self::join::{is_own_page, redirect};
pub(crate) use self::page::{DiagramPage, file};
pub(crate) use self::settings::{MAX_MINUTES, MINUTES, weakened};
pub(crate) use self::terminal::address_flags;
pub(crate) use self::then::remember_during_login;
use self::{recording::Journeys, stream::EventStream};
use crate::Config;

/// The most bytes of an export.
pub(crate) const MAX_EXPORT: usize = 4 << 20;
/// When a page tries again after a limit was reached, in seconds.
const COME_BACK: u64 = 30;

/// What the routes need.
pub(crate) struct LiveDiagram {
    keys: Arc<JourneyKeys>,
    journeys: Arc<Journeys>,
    addresses: Addresses,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    shutdown: Shutdown,
    demo_users: bool,
    jaeger_url: Option<String>,
}

impl LiveDiagram {
    /// The diagram, if this process has the lab's secret. From now on it receives the spans
    /// of this process.
    pub(crate) fn start(config: &Config, deps: &Deps) -> Option<Arc<Self>> {
        let keys = config.journeys.clone()?;
        let journeys = Arc::new(Journeys::new(Arc::clone(&deps.clock)));
        let receiving = Arc::clone(&journeys);
        deliver_to(move |span| receiving.record(&span));
        Some(Arc::new(Self {
            keys,
            journeys,
            addresses: config.addresses.clone(),
            clock: Arc::clone(&deps.clock),
            random: Arc::clone(&deps.random),
            shutdown: deps.shutdown.clone(),
            demo_users: config.demo_users,
            jaeger_url: config.jaeger_url.clone(),
        }))
    }
}

/// The pages.
pub(crate) fn pages(cfg: &mut ServiceConfig, live: Data<LiveDiagram>) {
    let diagram = web::resource("/journey")
        .route(web::get().to(page::show))
        .route(web::post().to(join::begin));
    cfg.app_data(live)
        .service(diagram)
        .configure(settings::routes)
        .service(web::resource("/journey/viewer").route(web::get().to(page::viewer)))
        .service(web::resource("/journey/ticket").route(web::get().to(join::ticket)))
        .service(web::resource("/journey/end").route(web::post().to(join::end)));
}

/// What scripts and services call.
pub(crate) fn calls(cfg: &mut ServiceConfig, live: &Data<LiveDiagram>) {
    let resource = |path: &str| web::resource(path.to_owned()).app_data(live.clone());
    cfg.service(resource("/journey/terminal").route(web::get().to(terminal::terminal)))
        .service(resource("/journey/events").route(web::get().to(events)))
        .service(resource("/journey/recording").route(web::get().to(recording)))
        .service(resource("/v1/traces").route(web::post().to(receive)));
}

/// `GET /journey/events`: each step of this browser's journey, as it arrives.
async fn events(req: HttpRequest, live: Data<LiveDiagram>) -> Result<HttpResponse, Problem> {
    let listener = live.listen(&req)?;
    let last = req.headers().get("last-event-id");
    let last = last.and_then(|value| value.to_str().ok()?.parse().ok());
    let stream = EventStream::new(listener, live.shutdown.clone(), last.unwrap_or(0));
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // A proxy that buffers the answer would delay the events.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(stream.events()))
}

/// `GET /journey/recording`: all steps so far.
async fn recording(req: HttpRequest, live: Data<LiveDiagram>) -> Result<HttpResponse, Problem> {
    let listener = live.listen(&req)?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(stream::recording(listener)))
}

/// `POST /v1/traces`: a service delivers spans (OTLP over HTTP, in protobuf).
async fn receive(req: HttpRequest, body: Body, live: Data<LiveDiagram>) -> HttpResponse {
    let sent = req.headers().get(header::AUTHORIZATION);
    let sent = sent.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if !sent.is_some_and(|key| live.keys.is_export_key(key)) {
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "Not a service of this lab");
        return problem
            .www_authenticate("Bearer".to_owned())
            .error_response();
    }
    let body = match body.authenticated().read(MAX_EXPORT).await {
        Ok(body) => body,
        Err(error) => return Problem::from(error).error_response(),
    };
    let Ok(spans) = otlp::spans(&body) else {
        return Problem::new(StatusCode::BAD_REQUEST, "No spans in protobuf").error_response();
    };
    for span in &spans {
        live.journeys.record(span);
    }
    HttpResponse::Ok()
        .content_type("application/x-protobuf")
        .body(otlp::accepted())
}

impl LiveDiagram {
    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The journey of this browser, and its steps so far, each as JSON.
    pub(crate) fn steps_of(&self, req: &HttpRequest) -> Option<(JourneyTag, Vec<Arc<str>>)> {
        let tag = self.journey(req)?.tag();
        let (steps, _) = self.journeys.find(tag)?.after(0, usize::MAX);
        Some((tag, steps))
    }

    /// One more reader of the journey of this browser.
    fn listen(&self, req: &HttpRequest) -> Result<recording::Listener, Problem> {
        let journey = self.journey(req);
        let found = journey.and_then(|journey| self.journeys.find(journey.tag()));
        let found = found.ok_or_else(|| {
            Problem::new(StatusCode::NOT_FOUND, "No journey")
                .detail("This browser is in no journey. Start one at /journey.")
        })?;
        let listener = self.journeys.listen(found, client_addr(req).bucket());
        listener.ok_or_else(|| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many readers")
                .detail("Too many pages show this journey, or journeys at your address. Close some of them.")
                .retry_after(COME_BACK)
        })
    }
}
