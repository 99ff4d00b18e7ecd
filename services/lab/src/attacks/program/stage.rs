//! Where an attack takes place: the victim's browser, the attacker's browser and the
//! attacker's program, whose requests all belong to one journey.

use std::time::Duration;

use headless_browser::{Browser, Response};
use kit::{
    config::Site,
    journey::{COOKIE, Journey, JourneyTag, Settings},
    root_step,
    telemetry::{context::TraceContext, names::span, propagation::inject},
};
use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue},
};
use tokio::time::timeout;
use tracing::field::Empty;
use url::form_urlencoded;

use super::{
    Program,
    context::AttackContext,
    outcome::{End, NotRun, Outcome, Step, Who},
    person::{Person, not_reached, plant},
};
use crate::evil;

/// How long the defences of a run stay off.
const WEAKENED: Duration = Duration::from_secs(60);
/// How long the sign-outs after a run may take.
const SIGN_OUT: Duration = Duration::from_secs(10);
/// The services that know a journey by a cookie, with their names in traces.
const BROWSED: [(Site, &str); 5] = [
    (Site::App1, "app1-bff"),
    (Site::App2, "app2-bff"),
    (Site::Idp, "idp"),
    (Site::Spa, "spa"),
    (Site::Evil, evil::SERVICE),
];

/// Where an attack takes place.
pub(super) struct Stage<'l> {
    pub(super) lab: &'l AttackContext,
    journey: Journey,
    /// Alice's browser.
    pub(super) victim: Person,
    /// Bob's browser.
    pub(super) attacker: Person,
    /// Bob's program, which keeps no cookies.
    program: Browser,
    attack: Program,
    weakened: bool,
    steps: Vec<Step>,
}

impl<'l> Stage<'l> {
    pub(super) fn new(
        lab: &'l AttackContext,
        journey: &Journey,
        attack: Program,
        weakened: bool,
    ) -> Self {
        let now = lab.clock.now();
        let mut settings = Settings::default();
        if weakened {
            settings.weaknesses = attack.weaknesses().iter().copied().collect();
            settings.weakened_until = (now + WEAKENED).secs();
        }
        let journey = journey.with(settings);
        let browser = || {
            let browser = Browser::new(lab.transport.clone());
            for (site, service) in BROWSED {
                let value = lab.keys.cookie(&journey, service, now, &*lab.random);
                plant(&browser, &lab.addresses.host(site), COOKIE, &value);
            }
            browser
        };
        Self {
            victim: Person::alice(browser(), &lab.issuer),
            attacker: Person::bob(browser(), &lab.issuer),
            program: Browser::new(lab.transport.clone()),
            lab,
            journey,
            attack,
            weakened,
            steps: Vec::new(),
        }
    }

    /// The attacker's program, as a part of the journey.
    pub(super) fn context(&self) -> TraceContext {
        let attack = self.attack.slug();
        TraceContext::root(evil::SERVICE, Some(self.journey), || {
            root_step!(span::ATTACK, "sso.attack" = attack, "sso.outcome" = Empty)
        })
    }

    /// Sends a request of the attacker's program.
    pub(super) async fn call(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Response, NotRun> {
        let mut trace = HeaderMap::new();
        inject(&mut trace);
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let trace: Vec<_> = trace
            .iter()
            .map(|(name, value)| (name.as_str(), text(value)))
            .collect();
        let trace = trace.iter().map(|(name, value)| (*name, value.as_str()));
        let headers: Vec<_> = headers.iter().copied().chain(trace).collect();
        let answer = self.program.request(method, url, &headers, body).await;
        answer.map_err(not_reached)
    }

    /// Sends a request of the victim's app `service`, whose part the program plays.
    pub(super) async fn call_as(
        &mut self,
        service: &'static str,
        url: &str,
        form: &[(&str, &str)],
    ) -> Result<Response, NotRun> {
        let span = || root_step!(span::ATTACK_CLIENT);
        let context = TraceContext::root(service, Some(self.journey), span);
        context.in_span(self.post(url, form)).await
    }

    /// Sends a form as the attacker's program.
    pub(super) async fn post(
        &mut self,
        url: &str,
        form: &[(&str, &str)],
    ) -> Result<Response, NotRun> {
        let body = encoded(form);
        self.call(Method::POST, url, &[FORM], &body).await
    }

    /// The same outside the journey, so the diagram does not show it.
    pub(super) async fn post_unseen(
        &mut self,
        url: &str,
        form: &[(&str, &str)],
    ) -> Result<Response, NotRun> {
        let body = encoded(form);
        let answer = self.program.request(Method::POST, url, &[FORM], &body);
        answer.await.map_err(not_reached)
    }

    /// Calls an API with `token`, as its bearer.
    pub(super) async fn call_api(&mut self, url: &str, token: &str) -> Result<Response, NotRun> {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        self.call(Method::GET, url, &headers, "").await
    }

    /// Notes a step.
    pub(super) fn note(&mut self, who: Who, what: impl Into<String>, result: impl Into<String>) {
        let (what, result) = (what.into(), result.into());
        self.steps.push(Step { who, what, result });
    }

    /// The journey that it belongs to.
    pub(super) const fn journey(&self) -> JourneyTag {
        self.journey.tag()
    }

    /// The address of `path` at `site`.
    pub(super) fn url(&self, site: Site, path: &str) -> String {
        format!("{}{path}", self.lab.addresses.url(site))
    }

    /// Ends it: the sessions that it made are signed out.
    pub(super) async fn end(mut self, end: Result<End, NotRun>) -> Result<Outcome, NotRun> {
        let signing_out = async {
            self.victim.sign_out().await;
            self.attacker.sign_out().await;
        };
        // A session that is left ends with its time.
        let _ = timeout(SIGN_OUT, signing_out).await;
        Ok(Outcome::new(self.attack, self.weakened, self.steps, end?))
    }
}

/// The header of a form.
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn encoded(form: &[(&str, &str)]) -> String {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(form).finish()
}
