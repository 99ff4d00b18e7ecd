//! The lab's hold on a service over HTTP: `/lab/control` switches failures, `/lab/inspect`
//! tells what the service keeps for a journey. Both need the key of the lab's secret, and
//! exist only where the process has that secret.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    dev::ServiceRequest,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
    web::{self, Data, Query, ServiceConfig},
};
use kit::{
    journey::{JourneyKeys, JourneyTag},
    lab_control::{
        Agent, Amount, CONTROL, Control, Fault, INSPECT, InForce, ROTATED_KEY, Setting, of_service,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    body::Body,
    problem::Problem,
    ui::{Message, Notice, wants_page},
};

/// The most bytes of a request.
const MAX_BODY: usize = 1024;
/// Where the lab's own page switches failures.
const PAGE: &str = "/failures";

/// A service that the lab controls.
pub(crate) struct Controlled {
    control: Arc<Control>,
    keys: Arc<JourneyKeys>,
}

/// `/lab/control` and `/lab/inspect`.
pub(crate) fn routes(cfg: &mut ServiceConfig, controlled: Data<Controlled>) {
    use actix_web::web::{delete, get, post};
    let control = web::resource(CONTROL)
        .app_data(controlled.clone())
        .route(get().to(show))
        .route(post().to(set))
        .route(delete().to(end));
    let inspect = web::resource(INSPECT).app_data(controlled);
    cfg.service(control)
        .service(inspect.route(get().to(inspected)));
}

impl Controlled {
    /// The service, if this process has the lab's secret and the lab controls it.
    pub(crate) fn of_service(service: &str) -> Option<Self> {
        let (control, keys) = (of_service(service)?, kit::journey::of_process()?);
        Some(Self { control, keys })
    }

    /// What the service's pages say about failures that are on: its own, and those of the
    /// services that it has called.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        let notice = |at: &str, on: &InForce| Notice {
            text: format!("Switched by the lab{at}: {}", on.sentence),
            remaining_ms: on.remaining_ms,
            href: self.page(),
        };
        let (own, peers) = (self.control.in_force(), self.control.peer_failures());
        let own = own.iter().map(|on| notice("", on));
        let peers = peers.iter();
        let peers = peers.map(|(site, on)| notice(&format!(" at {}", site.short_name()), on));
        own.chain(peers).collect()
    }

    /// The value of the header that names the service's failures; `None` while there is none.
    pub(crate) fn failures_value(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.control.failures_value()?).ok()
    }

    /// The failure that every request meets, for the request's span.
    pub(crate) fn met(&self) -> Option<Fault> {
        let mut met = [Fault::Down, Fault::ClockSkew].into_iter();
        met.find(|fault| self.control.is(*fault))
    }

    /// The answer to `req` while the service is switched off. Files of pages are served.
    pub(crate) fn down(&self, req: &ServiceRequest) -> Option<HttpResponse> {
        let on = self.control.is(Fault::Down);
        if !on || req.path().starts_with("/assets/") {
            return None;
        }
        let all = self.control.in_force();
        let down = all.iter().find(|one| one.fault == Fault::Down.name());
        let seconds = down.map_or(1, InForce::seconds);
        let why =
            format!("The lab has switched this service off. It answers again in {seconds} s.");
        let status = StatusCode::SERVICE_UNAVAILABLE;
        if !wants_page(req.headers()) {
            let problem = Problem::new(status, "Switched off by the lab").detail(why);
            return Some(problem.retry_after(seconds).error_response());
        }
        let message = Message::new("Switched off by the lab", why)
            .what_to_do("Wait, or switch it on again on the lab's page.")
            .way("To the failure switches", self.page());
        Some(message.respond(self.control.site(), status))
    }

    fn page(&self) -> String {
        format!("{}{PAGE}", self.keys.lab_url())
    }

    fn check(&self, req: &HttpRequest) -> Result<(), Problem> {
        check_key(req, &self.keys)
    }

    fn state(&self) -> HttpResponse {
        let of_site = |fault: &Fault| fault.fits(self.control.site());
        let offers = Fault::ALL.into_iter().filter(of_site);
        let offers = offers.map(|fault| Offer {
            fault: fault.name(),
            amount: fault.amount(),
        });
        let agent = self.control.agent();
        let signs = agent.is_some_and(|agent| agent.rotate_keys().is_some());
        answer(&State {
            service: self.control.service(),
            in_force: self.control.in_force(),
            offers: offers.collect(),
            actions: if signs { &[ROTATED_KEY] } else { &[] },
        })
    }
}

/// Only who has the control key of the lab's secret goes on.
pub fn check_key(req: &HttpRequest, keys: &JourneyKeys) -> Result<(), Problem> {
    let sent = req.headers().get(header::AUTHORIZATION);
    let sent = sent.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if sent.is_some_and(|key| keys.is_control_key(key)) {
        return Ok(());
    }
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "Not the lab")
        .detail("This needs the key that `sso-lab keys lab` prints, as a bearer token.");
    Err(problem.www_authenticate("Bearer".to_owned()))
}

/// What the control endpoint answers.
#[derive(Serialize)]
struct State {
    service: &'static str,
    in_force: Vec<InForce>,
    offers: Vec<Offer>,
    actions: &'static [&'static str],
}

/// A failure that the service can have.
#[derive(Serialize)]
struct Offer {
    fault: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Amount>,
}

/// What `POST /lab/control` switches.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    fault: String,
    seconds: Option<i64>,
    amount: Option<i64>,
}

#[derive(Serialize)]
struct Rotated {
    new_keys: Vec<String>,
}

/// `GET /lab/control`: what is on, and what can be switched.
async fn show(req: HttpRequest, controlled: Data<Controlled>) -> Result<HttpResponse, Problem> {
    controlled.check(&req)?;
    Ok(controlled.state())
}

/// `POST /lab/control`: switches a failure on, or has the signing keys rotated.
async fn set(
    req: HttpRequest,
    body: Body,
    controlled: Data<Controlled>,
) -> Result<HttpResponse, Problem> {
    controlled.check(&req)?;
    let body = body.authenticated().read(MAX_BODY).await?;
    let asked: Asked = serde_json::from_slice(&body).map_err(|error| refused(error.to_string()))?;
    if asked.fault == ROTATED_KEY {
        return rotate(controlled.control.agent()).await;
    }
    let site = controlled.control.site();
    let setting = Setting::new(site, &asked.fault, asked.seconds, asked.amount);
    controlled.control.set(setting.map_err(refused)?);
    Ok(controlled.state())
}

async fn rotate(agent: Option<&Arc<dyn Agent>>) -> Result<HttpResponse, Problem> {
    let rotating = agent.and_then(|agent| agent.rotate_keys());
    let rotating =
        rotating.ok_or_else(|| refused("This service has no signing keys.".to_owned()))?;
    let rotated = rotating.await.map_err(|why| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Keys not rotated").detail(why)
    });
    Ok(answer(&Rotated { new_keys: rotated? }))
}

/// The query of a request that switches failures off.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ended {
    fault: Option<String>,
}

/// The failure that a request to switch failures off names in its query; `None` if it names
/// none, which stands for all. A caller checks the key first.
pub fn ended_fault(req: &HttpRequest) -> Result<Option<Fault>, Problem> {
    let ended: Ended = query(req)?;
    let fault = ended.fault.as_deref();
    let known = fault.map(|name| Fault::named(name).ok_or(name)).transpose();
    known.map_err(|name| refused(format!("There is no failure {name:?}.")))
}

/// `DELETE /lab/control`: switches `fault` off, or all failures.
async fn end(req: HttpRequest, controlled: Data<Controlled>) -> Result<HttpResponse, Problem> {
    controlled.check(&req)?;
    controlled.control.end(ended_fault(&req)?);
    Ok(controlled.state())
}

#[derive(Deserialize)]
struct Inspected {
    journey: String,
}

/// `GET /lab/inspect`: what the service keeps for one journey.
async fn inspected(
    req: HttpRequest,
    controlled: Data<Controlled>,
) -> Result<HttpResponse, Problem> {
    controlled.check(&req)?;
    let asked: Inspected = query(&req)?;
    let tag: Result<JourneyTag, ()> = asked.journey.parse();
    let tag = tag.map_err(|()| refused("journey is no hash of a journey.".to_owned()))?;
    let Some(agent) = controlled.control.agent() else {
        return Err(refused("This service has no data to inspect.".to_owned()));
    };
    Ok(answer(&agent.inspect(tag).await))
}

/// The query of `req`, which is read after the key.
fn query<T: DeserializeOwned>(req: &HttpRequest) -> Result<T, Problem> {
    let query = Query::from_query(req.query_string());
    query
        .map(Query::into_inner)
        .map_err(|error| refused(error.to_string()))
}

fn answer(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(body)
}

/// The answer to a request that asks for what cannot be switched.
pub fn refused(why: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "Refused").detail(why)
}

#[cfg(test)]
mod tests;
