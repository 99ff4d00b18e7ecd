//! The scenarios: a course of pages, each with what it shows, what to look for, what starts
//! it, and the live diagram. Their texts are in `course`.

mod course;
mod offers;
mod page;
mod price;
pub(crate) mod scenario;
#[cfg(test)]
mod tests;

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    http::{StatusCode, header},
    web::{self, Data, Json, Path, ServiceConfig},
};
use kit::config::Site;
use serde::Serialize;
use web_kit::ui::Message;

use self::course::COURSE;
pub use self::offers::Offers;
pub(crate) use self::page::file;
use self::page::{Deployment, ScenarioPage};
use crate::{
    Config,
    journey::{LiveDiagram, redirect},
};

/// What the routes know of the deployment.
pub(crate) struct Scenarios {
    config: Config,
}

impl Scenarios {
    pub(crate) fn new(config: &Config) -> Data<Self> {
        Data::new(Self {
            config: config.clone(),
        })
    }

    fn deployment(&self) -> Deployment<'_> {
        Deployment {
            addresses: &self.config.addresses,
            offers: self.config.offers,
            demo_users: self.config.demo_users,
        }
    }
}

/// The pages. They belong to a site that has the live diagram.
pub(crate) fn pages(cfg: &mut ServiceConfig, scenarios: Data<Scenarios>) {
    cfg.app_data(scenarios)
        .service(web::resource("/scenarios").route(web::get().to(async || page::list())))
        .service(
            web::resource("/scenarios/{name}")
                .route(web::get().to(show))
                .route(web::post().to(begin)),
        )
        .service(
            web::resource("/scenarios/{name}/{way}")
                .route(web::get().to(go_on))
                .route(web::post().to(start)),
        );
}

/// What scripts call.
pub(crate) fn calls(cfg: &mut ServiceConfig, live: Data<LiveDiagram>) {
    let asked = web::resource("/scenarios/begun").app_data(live);
    cfg.service(asked.route(web::get().to(begun)));
}

/// `GET /scenarios/{name}`.
async fn show(
    req: HttpRequest,
    name: Path<String>,
    scenarios: Data<Scenarios>,
    live: Data<LiveDiagram>,
) -> HttpResponse {
    let Some(place) = COURSE.find(&name) else {
        return unknown();
    };
    let diagram = live.embedded(&req);
    let page = ScenarioPage::new(
        place,
        &scenarios.deployment(),
        live.has_journey(&req),
        diagram,
    );
    page.respond(&live.csp())
}

/// `POST /scenarios/{name}`: begins a journey, for the commands of the page.
async fn begin(req: HttpRequest, name: Path<String>, live: Data<LiveDiagram>) -> HttpResponse {
    match COURSE.find(&name) {
        None => unknown(),
        Some(place) => live.begin_and_go(&req, &format!("/scenarios/{}", place.page.name)),
    }
}

/// `POST /scenarios/{name}/{way}`: opens the page that starts the scenario. A browser that is
/// in no journey begins one first.
async fn start(
    req: HttpRequest,
    path: Path<(String, usize)>,
    scenarios: Data<Scenarios>,
    live: Data<LiveDiagram>,
) -> HttpResponse {
    let (name, way) = path.into_inner();
    match scenarios.address(&name, way) {
        None => unknown(),
        Some(address) if live.has_journey(&req) => redirect(&address),
        Some(_) => live.begin_and_go(&req, &format!("/scenarios/{name}/{way}")),
    }
}

/// `GET /scenarios/{name}/{way}`: where a browser arrives that has begun a journey.
async fn go_on(
    req: HttpRequest,
    path: Path<(String, usize)>,
    scenarios: Data<Scenarios>,
    live: Data<LiveDiagram>,
) -> HttpResponse {
    let (name, way) = path.into_inner();
    match scenarios.address(&name, way) {
        None => unknown(),
        Some(address) if live.has_journey(&req) => redirect(&address),
        Some(_) => redirect(&format!("/scenarios/{name}")),
    }
}

#[derive(Serialize)]
struct Begun {
    begun: bool,
}

/// `GET /scenarios/begun`: whether this browser is in a journey.
async fn begun(req: HttpRequest, live: Data<LiveDiagram>) -> impl Responder {
    let begun = live.has_journey(&req);
    Json(Begun { begun })
        .customize()
        .insert_header((header::CACHE_CONTROL, "no-store"))
}

impl Scenarios {
    /// The page that `way` of the scenario `name` opens.
    fn address(&self, name: &str, way: usize) -> Option<String> {
        let ways = COURSE.find(name)?.page.ways;
        self.deployment().address(ways.get(way)?)
    }
}

fn unknown() -> HttpResponse {
    Message::new(
        "No such scenario",
        "The course has no scenario of this name, or this deployment lacks what it needs.",
    )
    .way("To the scenarios", "/scenarios")
    .respond(Site::Lab, StatusCode::NOT_FOUND)
}
