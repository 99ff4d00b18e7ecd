//! The failure switches: a page of the lab that injects failures into the services, each for
//! a stated time, and what all pages of the lab say about failures that are on.

mod controls;
mod page;
mod replicas;
mod rest;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::{self, Data, ServiceConfig},
};
use futures_util::future::join_all;
use kit::{
    config::Site,
    journey::JourneyKeys,
    lab_control::{CONTROL, Fault, ROTATED_KEY},
};
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::Value;
use web_kit::ui::Notice;

pub use self::controls::Controls;
use self::replicas::{Clients, Held};
pub(crate) use self::{
    controls::Service,
    page::file,
    replicas::{Answers, Asked},
    rest::calls,
};
use crate::Config;

/// The page.
pub(crate) const PATH: &str = "/failures";
/// How long the services' answers are used again.
const FRESH: Duration = Duration::from_secs(1);

/// What the lab knows of the services' failures, and how it asks for them.
pub(crate) struct Failures {
    keys: Arc<JourneyKeys>,
    controls: Controls,
    clients: Clients,
    known: Mutex<Known>,
    /// One question at a time.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    at: Option<Instant>,
    states: Vec<State>,
}

/// What a service says.
#[derive(Clone, Debug)]
pub(crate) struct State {
    name: &'static str,
    site: Site,
    in_force: Vec<Held>,
    /// How many replicas it has.
    replicas: usize,
    /// Why one of them did not answer.
    problem: Option<String>,
}

impl Failures {
    /// The switches, if this process has the lab's secret.
    pub(crate) fn new(config: &Config) -> Option<Arc<Self>> {
        let keys = config.journeys.clone()?;
        let clients = Clients::new(config.trust.clone(), keys.control_key());
        Some(Arc::new(Self {
            keys,
            controls: config.controls.clone(),
            clients,
            known: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }))
    }

    /// The service `name`, if the deployment has it.
    pub(crate) fn service(&self, name: &str) -> Option<&Service> {
        self.controls.named(name)
    }

    /// Asks every replica of `service`.
    pub(crate) async fn ask(&self, service: &Service, asked: &Asked) -> Answers {
        self.clients.ask_all(service.urls(), asked).await
    }

    /// Has `service` do what `body` says: each replica, or for new signing keys, which are in
    /// the store, one replica.
    async fn set(&self, service: &Service, body: Value) -> Answers {
        let is_rotation = body["fault"] == ROTATED_KEY;
        let asked = Asked {
            method: Method::POST,
            path: CONTROL.to_owned(),
            body: Some(body),
        };
        let answers = if is_rotation {
            self.clients.ask_one(service.urls(), &asked).await
        } else {
            self.ask(service, &asked).await
        };
        self.forget();
        answers
    }

    /// Switches `fault` of `service` off, or all of its failures.
    async fn end(&self, service: &Service, fault: Option<Fault>) -> Answers {
        let query = fault.map_or_else(String::new, |fault| format!("?fault={}", fault.name()));
        let asked = Asked {
            method: Method::DELETE,
            path: format!("{CONTROL}{query}"),
            body: None,
        };
        let answers = self.ask(service, &asked).await;
        self.forget();
        answers
    }

    /// What all services say, at most a second old.
    async fn states(&self) -> Vec<State> {
        let fresh = || {
            let known = self.known.lock();
            let is_fresh = known.at.is_some_and(|at| at.elapsed() < FRESH);
            is_fresh.then(|| known.states.clone())
        };
        if let Some(states) = fresh() {
            return states;
        }
        let _one = self.asking.lock().await;
        if let Some(states) = fresh() {
            return states;
        }
        let each = self.controls.services().map(|service| self.state(service));
        let states = join_all(each).await;
        let mut known = self.known.lock();
        known.states.clone_from(&states);
        known.at = Some(Instant::now());
        states
    }

    async fn state(&self, service: &Service) -> State {
        let answers = self.ask(service, &Asked::get(CONTROL)).await;
        State {
            name: service.name,
            site: service.site,
            in_force: answers.in_force(),
            replicas: answers.replicas(),
            problem: answers.problem("answered"),
        }
    }

    /// What was known counts no more: something has been switched.
    fn forget(&self) {
        self.known.lock().at = None;
    }

    /// What the lab's pages say about failures that are on.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        let known = self.known.lock();
        let states = known.states.iter();
        let all = states.flat_map(|state| state.in_force.iter().map(move |on| (state, on)));
        all.map(|(state, on)| Notice {
            text: format!(
                "{}: {}{} It ends in {} s.",
                state.site.short_name(),
                on.failure.sentence,
                state.part(on),
                on.failure.seconds()
            ),
            href: PATH.to_owned(),
        })
        .collect()
    }
}

impl State {
    /// Says at how many replicas `held` is on, if not at all of them.
    fn part(&self, held: &Held) -> String {
        let (on, all) = (held.replicas, self.replicas);
        if on == all {
            return String::new();
        }
        format!(" This holds for {on} of {all} replicas.")
    }
}

/// The page.
pub(crate) fn pages(cfg: &mut ServiceConfig, failures: Arc<Failures>) {
    let page = web::resource(PATH)
        .app_data(Data::from(failures))
        .route(web::get().to(page::show))
        .route(web::post().to(page::switch));
    cfg.service(page);
}

/// Asks the services before a page says what is on.
pub(crate) async fn refreshed<B: MessageBody>(
    failures: Arc<Failures>,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    failures.states().await;
    next.call(req).await
}
