//! What the attacks need of the lab, and how many run at a time.

use std::{collections::HashSet, sync::Arc, time::Duration};

use headless_browser::Transport;
use kit::{
    Deps,
    clock::Clock,
    config::Addresses,
    journey::{Journey, JourneyKeys, JourneyTag},
    random::Random,
};
use parking_lot::Mutex;
use tokio::{sync::Semaphore, time::timeout};

use super::outcome::NotRun;
use crate::{Config, Offers, evil::Traps};

/// How many attacks run at the same time.
const AT_ONCE: usize = 4;
/// How long an attack may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(8);

/// What the attacks need of the lab.
pub(crate) struct AttackContext {
    pub(super) keys: Arc<JourneyKeys>,
    pub(super) addresses: Addresses,
    pub(super) issuer: String,
    pub(super) transport: Transport,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) offers: Offers,
    pub(super) traps: Arc<Traps>,
    demo_users: bool,
    running: Mutex<HashSet<JourneyTag>>,
    slots: Semaphore,
}

impl AttackContext {
    /// The context, if this process has the lab's secret.
    pub(crate) fn new(config: &Config, deps: &Deps) -> Option<Self> {
        Some(Self {
            keys: config.journeys.clone()?,
            addresses: config.addresses.clone(),
            issuer: config.issuer.clone(),
            transport: Transport {
                http: config.trust.browsers_http_client(),
                overrides: config.reach.clone(),
                timeout: REQUEST,
                user_agent: "sso-lab attack program",
            },
            clock: Arc::clone(&deps.clock),
            random: Arc::clone(&deps.random),
            offers: config.offers,
            traps: Arc::clone(&config.traps),
            demo_users: config.demo_users,
            running: Mutex::default(),
            slots: Semaphore::new(AT_ONCE),
        })
    }

    /// Why no attack can run in this deployment, if that is so.
    pub(crate) fn unavailable(&self) -> Option<&'static str> {
        (!self.demo_users).then_some(
            "The attacks play the demo users alice (the victim) and bob (the attacker), who cannot sign in here.",
        )
    }

    /// Runs `attack`, the only one of `journey`, within its deadline.
    pub(super) async fn bounded<T>(
        &self,
        journey: &Journey,
        attack: impl Future<Output = Result<T, NotRun>>,
    ) -> Result<T, NotRun> {
        if let Some(why) = self.unavailable() {
            return Err(NotRun::new(why));
        }
        let Some(_running) = self.begin(journey.tag()) else {
            return Err(NotRun::new(
                "An attack of this journey is running. Wait until it has ended.",
            ));
        };
        let Ok(_slot) = self.slots.try_acquire() else {
            return Err(NotRun::new(
                "Several other attacks are running. Try again in a few seconds.",
            ));
        };
        let late = || NotRun::new(format!("It did not end within {} s.", DEADLINE.as_secs()));
        timeout(DEADLINE, attack).await.map_err(|_| late())?
    }

    fn begin(&self, journey: JourneyTag) -> Option<Running<'_>> {
        let is_first = self.running.lock().insert(journey);
        is_first.then_some(Running { lab: self, journey })
    }
}

/// An attack of a journey that is running.
struct Running<'l> {
    lab: &'l AttackContext,
    journey: JourneyTag,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.lab.running.lock().remove(&self.journey);
    }
}
