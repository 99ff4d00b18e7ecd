//! The failure switches by REST, for all replicas of a service: `/lab/control/<service>` of
//! the lab takes the same requests, with the same key, as `/lab/control` of each service.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{self, Data, Path, ServiceConfig},
};
use kit::lab_control::CONTROL;
use serde_json::{Value, json};
use web_kit::{
    body::Body,
    lab_control::{check_key, ended_fault, refused},
    problem::Problem,
    ui::NOTICES,
};

use super::{Answers, Asked, Failures, Service};

/// The most bytes of a request.
const MAX_BODY: usize = 1024;

/// What a trainer's programs call.
pub(crate) fn calls(cfg: &mut ServiceConfig, failures: Arc<Failures>) {
    let failures = Data::from(failures);
    let notices = web::resource(NOTICES).app_data(failures.clone());
    cfg.service(notices.route(web::get().to(self::notices)));
    let control = web::resource(format!("{CONTROL}/{{service}}"))
        .app_data(failures)
        .route(web::get().to(show))
        .route(web::post().to(set))
        .route(web::delete().to(end));
    cfg.service(control);
}

/// `GET /lab/notices`: what is on, for the lab's pages that are open. The services are asked
/// once a second at most, however many pages ask.
async fn notices(failures: Data<Failures>) -> HttpResponse {
    failures.states().await;
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "notices": failures.notices() }))
}

/// What is on, and what can be switched, at each replica.
async fn show(
    req: HttpRequest,
    name: Path<String>,
    failures: Data<Failures>,
) -> Result<HttpResponse, Problem> {
    let service = failures.known(&req, &name)?;
    let answers = failures.ask(service, &Asked::get(CONTROL)).await;
    answered(service, &answers)
}

/// Switches a failure on at each replica, or has the signing keys rotated.
async fn set(
    req: HttpRequest,
    name: Path<String>,
    body: Body,
    failures: Data<Failures>,
) -> Result<HttpResponse, Problem> {
    let service = failures.known(&req, &name)?;
    let body = body.authenticated().read(MAX_BODY).await?;
    let body: Value = serde_json::from_slice(&body).map_err(|error| refused(error.to_string()))?;
    answered(service, &failures.set(service, body).await)
}

/// Switches a failure off at each replica, or all of them.
async fn end(
    req: HttpRequest,
    name: Path<String>,
    failures: Data<Failures>,
) -> Result<HttpResponse, Problem> {
    let service = failures.known(&req, &name)?;
    let fault = ended_fault(&req)?;
    answered(service, &failures.end(service, fault).await)
}

impl Failures {
    /// The service of a request that has the key of the lab's secret.
    fn known(&self, req: &HttpRequest, name: &str) -> Result<&Service, Problem> {
        check_key(req, &self.keys)?;
        self.service(name).ok_or_else(|| {
            let why = format!("The deployment has no service {name:?} that the lab controls.");
            Problem::new(StatusCode::NOT_FOUND, "No such service").detail(why)
        })
    }
}

fn answered(service: &Service, answers: &Answers) -> Result<HttpResponse, Problem> {
    let Some(why) = answers.problem("did so") else {
        let said = json!({ "service": service.name, "replicas": answers.said });
        return Ok(HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .json(said));
    };
    if answers.is_refused() {
        return Err(refused(why));
    }
    Err(Problem::new(StatusCode::BAD_GATEWAY, "Not at every replica").detail(why))
}
