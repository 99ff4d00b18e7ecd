//! `POST /attacks/{name}/run`: the lab's page has an attack run. `weakened=on` switches its
//! defences off for this run. The answer is the outcome, as JSON.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::{StatusCode, header},
    web::{self, Data, Path, ServiceConfig},
};
use web_kit::{body::Body, client::client_addr, problem::Problem};

use super::{AttackContext, Program, run};
use crate::{journey::LiveDiagram, own_form};

/// The most bytes of the form.
const MAX_FORM: usize = 256;
/// When an attack that could not run may be tried again, in seconds.
const SOON: u64 = 5;

/// What scripts call.
pub(crate) fn calls(cfg: &mut ServiceConfig, lab: Data<AttackContext>, live: Data<LiveDiagram>) {
    let run = web::resource("/attacks/{name}/run")
        .app_data(lab)
        .app_data(live);
    cfg.service(run.route(web::post().to(start)));
}

async fn start(
    req: HttpRequest,
    name: Path<String>,
    body: Body,
    lab: Data<AttackContext>,
    live: Data<LiveDiagram>,
) -> HttpResponse {
    let answer = answered(&req, &name, body, lab, &live).await;
    answer.unwrap_or_else(|problem| problem.error_response())
}

async fn answered(
    req: &HttpRequest,
    name: &str,
    body: Body,
    lab: Data<AttackContext>,
    live: &LiveDiagram,
) -> Result<HttpResponse, Problem> {
    let refused = |status, why: &str| Problem::new(status, "No attack").detail(why);
    if !live.is_own_page(req) {
        let why = "Only the lab's own page starts an attack.";
        return Err(refused(StatusCode::FORBIDDEN, why));
    }
    let Some(attack) = Program::named(name) else {
        return Err(refused(StatusCode::NOT_FOUND, "No such attack."));
    };
    let Some(journey) = live.journey(req) else {
        let why = "This browser is in no journey. Start one first.";
        return Err(refused(StatusCode::CONFLICT, why));
    };
    let form = own_form::read(req, body, MAX_FORM).await;
    let weakened = form.and_then(|form| Ok(form.one("weakened")? == Some("on")));
    let weakened = weakened.map_err(|bad| refused(bad.status(), &bad.to_string()))?;
    let from = client_addr(req).bucket();
    // In a task of its own it ends, and signs out, also if the page does not wait for it.
    let running =
        actix_web::rt::spawn(async move { run(attack, &lab, (&journey, from), weakened).await });
    let failed = |why: &str| refused(StatusCode::SERVICE_UNAVAILABLE, why).retry_after(SOON);
    let ended = running.await.map_err(|_| failed("The attack broke off."))?;
    let outcome = ended.map_err(|why| failed(&why.to_string()))?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(outcome))
}
