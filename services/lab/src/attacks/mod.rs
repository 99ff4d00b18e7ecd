//! The attacks: each runs against the real services, first with a defence switched off for
//! one journey, then with it. A program of the attacker runs some of them; the others happen
//! in the learner's own browser, by pages of the attacker's site.

mod attack;
mod callback;
mod in_browser;
mod list;
mod outcomes;
mod page;
mod program;
mod runs;
#[cfg(test)]
mod tests;

use actix_web::{
    HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::Next,
    web::{self, Data, Path, ServiceConfig},
};
use headless_browser::Transport;
use kit::{config::Site, journey::JourneyTag};
use oauth_types::Params;
use web_kit::{
    body::Body,
    client::client_addr,
    ui::{self, Message},
};

use self::{
    attack::{Attack, Defence, InBrowser, Way},
    list::LIST,
    outcomes::{Ended, Outcomes},
    page::{AttackPage, Browser},
    program::{Program, run},
    runs::{Former, Runs},
};
pub(crate) use self::{
    page::file,
    program::{AttackContext, calls},
};
use crate::{
    Config,
    journey::{LiveDiagram, redirect},
    own_form::{self, BadForm},
};

/// The most bytes of the form.
const MAX_FORM: usize = 256;

/// What the pages need.
pub(crate) struct Attacks {
    config: Config,
    outcomes: Outcomes,
    runs: Runs,
    transport: Transport,
}

impl Attacks {
    pub(crate) fn new(config: &Config) -> Data<Self> {
        Data::new(Self {
            config: config.clone(),
            outcomes: Outcomes::default(),
            runs: Runs::default(),
            transport: callback::transport(config),
        })
    }

    /// How the latest run of `attack` by the program ended.
    fn ended(
        &self,
        journey: Option<JourneyTag>,
        attack: &Attack,
        defence: Defence,
    ) -> Option<Ended> {
        let Way::Program(program) = attack.way else {
            return None;
        };
        self.outcomes.of(journey?, program, defence == Defence::Off)
    }

    /// The runs of `attack` in the browser of `journey`.
    fn former(&self, journey: Option<JourneyTag>, attack: &Attack) -> Vec<Former> {
        journey.map_or_else(Vec::new, |journey| self.runs.of(journey, attack.name))
    }
}

/// The pages. They belong to a site that has the live diagram.
pub(crate) fn pages(cfg: &mut ServiceConfig, attacks: Data<Attacks>, lab: Data<AttackContext>) {
    let resource = |path: &str| web::resource(path.to_owned());
    cfg.app_data(attacks)
        .app_data(lab)
        .service(resource("/attacks").route(web::get().to(list_all)))
        .service(resource("/attacks/{name}").route(web::get().to(show)))
        .service(resource("/attacks/{name}/begin").route(web::post().to(begin)))
        .service(resource("/attacks/{name}/sign-in").route(web::get().to(sign_in)))
        .service(resource("/attacks/{name}/go").route(web::get().to(go)));
}

/// Lets each page of the site say what is off for the journey of its browser.
pub(crate) async fn saying_what_is_off<B: MessageBody + 'static>(
    live: Data<LiveDiagram>,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let settings = live.settings(req.request());
    ui::showing(settings, next.call(req)).await
}

/// `GET /attacks`.
async fn list_all(
    req: HttpRequest,
    attacks: Data<Attacks>,
    live: Data<LiveDiagram>,
) -> HttpResponse {
    let evil_url = attacks.config.addresses.link(Site::Evil);
    page::list(live.settings(&req), evil_url, &live.csp())
}

/// `GET /attacks/{name}`.
async fn show(
    req: HttpRequest,
    name: Path<String>,
    attacks: Data<Attacks>,
    lab: Data<AttackContext>,
    live: Data<LiveDiagram>,
) -> HttpResponse {
    let Some(place) = LIST.find(&name) else {
        return unknown();
    };
    let browser = Browser {
        journey: live.journey(&req).map(|journey| journey.tag()),
        settings: live.settings(&req),
        diagram: live.embedded(&req),
        now: live.now(),
    };
    AttackPage::new(place, &attacks, &lab, browser).respond(&live.csp())
}

/// `POST /attacks/{name}/begin`: `weakened` says what is off in the run. A browser that is in
/// no journey begins one.
async fn begin(
    req: HttpRequest,
    name: Path<String>,
    body: Body,
    attacks: Data<Attacks>,
    lab: Data<AttackContext>,
    live: Data<LiveDiagram>,
) -> HttpResponse {
    if !live.is_own_page(&req) {
        return refusal(
            StatusCode::FORBIDDEN,
            "Only the lab's own page starts an attack.",
        );
    }
    let Some(place) = LIST.find(&name) else {
        return unknown();
    };
    let form = own_form::read(&req, body, MAX_FORM).await;
    let defence = match form.and_then(|form| defence(&form, place.page)) {
        Ok(defence) => defence,
        Err(bad) => return refusal(bad.status(), &bad.to_string()),
    };
    let Some(defence) = defence else {
        return refusal(
            StatusCode::BAD_REQUEST,
            "The form does not say which defences are off.",
        );
    };
    match place.page.way {
        Way::Browser(_) => in_browser::begin(&req, &live, place.page, defence),
        Way::Program(program) => {
            let weakened = defence == Defence::Off;
            run_program(&req, program, weakened, &attacks, lab, &live).await
        }
    }
}

fn defence(form: &Params, attack: &Attack) -> Result<Option<Defence>, BadForm> {
    let named = form.one("weakened")?.and_then(Defence::named);
    Ok(named.filter(|defence| attack.off_in(*defence).is_some()))
}

/// Runs it, and opens its page again.
async fn run_program(
    req: &HttpRequest,
    program: Program,
    weakened: bool,
    attacks: &Attacks,
    lab: Data<AttackContext>,
    live: &LiveDiagram,
) -> HttpResponse {
    let known = live.journey(req);
    let journey = known.unwrap_or_else(|| live.new_journey(req));
    let from = client_addr(req).bucket();
    // In a task of its own it ends, and signs out, also if the browser does not wait for it.
    let running =
        actix_web::rt::spawn(async move { run(program, &lab, (&journey, from), weakened).await });
    let Ok(ended) = running.await else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "The attack broke off.");
    };
    attacks
        .outcomes
        .keep(journey.tag(), program, weakened, ended);
    let page = format!("/attacks/{}", program.slug());
    match known {
        Some(_) => redirect(&format!("{page}#outcomes")),
        None => live.join_and_go(&journey, &page),
    }
}

/// Why a browser is on no run's way.
enum Lost {
    /// There is no such attack.
    Unknown,
    /// It is in no journey, or the attack is a program's: it begins at this page.
    ToPage(String),
}

/// The attack on whose way the browser of `req` is.
fn on_the_way(
    req: &HttpRequest,
    name: &str,
    live: &LiveDiagram,
) -> Result<(&'static Attack, &'static InBrowser), Lost> {
    let place = LIST.find(name).ok_or(Lost::Unknown)?;
    match &place.page.way {
        Way::Browser(way) if live.has_journey(req) => Ok((place.page, way)),
        _ => Err(Lost::ToPage(format!("/attacks/{name}"))),
    }
}

impl Lost {
    fn respond(self) -> HttpResponse {
        match self {
            Self::Unknown => unknown(),
            Self::ToPage(page) => redirect(&page),
        }
    }
}

/// `GET /attacks/{name}/sign-in`: on the way of a run, the browser signs in at app1.
async fn sign_in(
    req: HttpRequest,
    name: Path<String>,
    attacks: Data<Attacks>,
    live: Data<LiveDiagram>,
) -> HttpResponse {
    match on_the_way(&req, &name, &live) {
        Ok((attack, way)) => in_browser::sign_in(&attacks, attack, way),
        Err(lost) => lost.respond(),
    }
}

/// `GET /attacks/{name}/go`: on the way of a run, the attacker's page opens.
async fn go(
    req: HttpRequest,
    name: Path<String>,
    attacks: Data<Attacks>,
    lab: Data<AttackContext>,
    live: Data<LiveDiagram>,
) -> HttpResponse {
    let (attack, way) = match on_the_way(&req, &name, &live) {
        Ok(found) => found,
        Err(lost) => return lost.respond(),
    };
    let from = client_addr(&req).bucket();
    let journey = live.journey(&req).map(|journey| journey.tag());
    // The settings have come along: they say which run it is.
    let defence = attack.defence_in(live.settings(&req));
    let answer = in_browser::go(&attacks, (&lab, from), attack, way).await;
    // Nothing of the attack happens before the browser has the page that sends it on.
    if answer.status().is_success()
        && let (Some(journey), Some(defence)) = (journey, defence)
    {
        let runs = &attacks.runs;
        runs.begin(journey, attack.name, defence, live.now());
    }
    answer
}

fn unknown() -> HttpResponse {
    refusal(StatusCode::NOT_FOUND, "There is no attack of this name.")
}

fn refusal(status: StatusCode, why: &str) -> HttpResponse {
    Message::new("No attack", why)
        .way("To the attacks", "/attacks")
        .respond(Site::Lab, status)
}
