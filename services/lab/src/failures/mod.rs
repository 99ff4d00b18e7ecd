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
    clock::{Clock, Timestamp},
    config::Site,
    journey::JourneyKeys,
    lab_control::{CONTROL, Fault, ROTATED_KEY},
};
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::Value;
use web_kit::ui::{Notice, unbroken};

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
/// How long the page tells of new signing keys.
const ROTATION_TOLD: Duration = Duration::from_mins(10);
/// The most new keys that it names.
const MAX_KIDS: usize = 8;
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
    clock: Arc<dyn Clock>,
    /// The last rotation of signing keys that the lab asked for.
    rotation: Mutex<Option<Rotation>>,
}

/// New signing keys, which have no end and so are no failure that is on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rotation {
    site: Site,
    at: Timestamp,
    kids: Vec<String>,
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
    pub(crate) fn new(config: &Config, clock: &Arc<dyn Clock>) -> Option<Arc<Self>> {
        let keys = config.journeys.clone()?;
        let clients = Clients::new(config.trust.clone(), keys.control_key());
        Some(Arc::new(Self {
            keys,
            controls: config.controls.clone(),
            clients,
            known: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            clock: Arc::clone(clock),
            rotation: Mutex::default(),
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
            let answers = self.clients.ask_one(service.urls(), &asked).await;
            self.remember(service, &answers);
            answers
        } else {
            self.ask(service, &asked).await
        };
        self.forget();
        answers
    }

    /// Remembers that `service` has new signing keys, if it says so.
    fn remember(&self, service: &Service, answers: &Answers) {
        let said = answers
            .said
            .first()
            .and_then(|said| said["new_keys"].as_array());
        let Some(said) = said else { return };
        let kids = said.iter().filter_map(Value::as_str).take(MAX_KIDS);
        *self.rotation.lock() = Some(Rotation {
            site: service.site,
            at: self.clock.now(),
            kids: kids.map(str::to_owned).collect(),
        });
    }

    /// The last rotation, while a page tells of it.
    fn rotation(&self) -> Option<Rotation> {
        let rotation = self.rotation.lock().clone();
        rotation.filter(|one| one.at.until(self.clock.now()) < ROTATION_TOLD)
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
        let age = known.at.map_or(0, |at| at.elapsed().as_millis());
        let age = u64::try_from(age).unwrap_or(u64::MAX);
        let states = known.states.iter();
        let all = states.flat_map(|state| state.in_force.iter().map(move |on| (state, on)));
        let all = all.filter(|(_, on)| on.failure.remaining_ms > age);
        all.map(|(state, on)| Notice {
            // As in the page, which compares it with what it shows.
            text: unbroken(&format!(
                "{}: {}{}",
                state.site.short_name(),
                on.failure.sentence,
                state.part(on),
            )),
            remaining_ms: on.failure.remaining_ms - age,
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

#[cfg(test)]
mod tests {
    use kit::{clock::ManualClock, lab_control::InForce};
    use serde_json::json;

    use super::*;
    use crate::served::config;

    fn failures(clock: &Arc<ManualClock>) -> Arc<Failures> {
        let keys = JourneyKeys::new(&"a lab of a test".into(), "http://lab.localhost");
        let there = config();
        let config = Config {
            journeys: Some(Arc::new(keys)),
            controls: Controls::at(&there.addresses, |_| "http://127.0.0.1:9".to_owned()),
            ..there
        };
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
        Failures::new(&config, &clock).unwrap()
    }

    #[test]
    fn the_page_tells_of_new_keys_for_a_while() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_000)));
        let failures = failures(&clock);
        let idp = failures.controls.named("idp").unwrap().clone();
        let said = |said: Value| Answers {
            said: vec![said],
            failed: Vec::new(),
        };
        failures.remember(&idp, &said(json!({ "in_force": [] })));
        assert_eq!(failures.rotation(), None);
        failures.remember(
            &idp,
            &said(json!({ "new_keys": vec!["kid"; 2 * MAX_KIDS] })),
        );
        let told = failures.rotation().unwrap();
        assert_eq!((told.site, told.kids.len()), (Site::Idp, MAX_KIDS));
        clock.advance(ROTATION_TOLD);
        assert_eq!(failures.rotation(), None);
    }

    #[test]
    fn a_notice_ends_with_its_failure_and_not_with_the_next_question() {
        let failures = failures(&Arc::new(ManualClock::new(Timestamp::from_secs(1))));
        let held = |fault: &str, remaining_ms| Held {
            failure: InForce {
                fault: fault.to_owned(),
                amount: 0,
                remaining_ms,
                sentence: format!("{fault}."),
            },
            replicas: 1,
        };
        let state = State {
            name: "idp",
            site: Site::Idp,
            in_force: vec![held("over", 500), held("on", 60_000)],
            replicas: 1,
            problem: None,
        };
        *failures.known.lock() = Known {
            at: Instant::now().checked_sub(Duration::from_secs(1)),
            states: vec![state],
        };
        let notices = failures.notices();
        assert_eq!(notices.len(), 1);
        assert_eq!(notices[0].text, "idp: on.");
        assert!(notices[0].remaining_ms <= 59_000);
    }
}
