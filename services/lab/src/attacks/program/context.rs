//! What the attacks need of the lab, and how many run at a time.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use headless_browser::Transport;
use kit::{
    Deps,
    clock::Clock,
    config::Addresses,
    journey::{Journey, JourneyKeys, JourneyTag},
    net::AddrBucket,
    random::Random,
};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::outcome::NotRun;
use crate::{Config, Offers, evil::Traps};

/// How many attacks run at the same time.
const AT_ONCE: usize = 8;
/// How many of them one address may have.
const OF_ADDRESS: usize = 4;
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
    slots: Slots,
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
            slots: Slots::default(),
        })
    }

    /// Why no attack can run in this deployment, if that is so.
    pub(crate) fn unavailable(&self) -> Option<&'static str> {
        (!self.demo_users).then_some(
            "The attacks play the demo users alice (the victim) and bob (the attacker), who cannot sign in here.",
        )
    }

    /// Runs `attack`, the only one of `journey`, for a browser at `from`.
    pub(super) async fn bounded<T>(
        &self,
        journey: &Journey,
        from: AddrBucket,
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
        let _slot = self.slot(from)?;
        attack.await
    }

    /// Room for one more attack of a browser at `from`.
    pub(crate) fn slot(&self, from: AddrBucket) -> Result<Slot<'_>, NotRun> {
        let slot = self.slots.take(from);
        slot.ok_or_else(|| {
            NotRun::new("Several other attacks are running. Try again in a few seconds.")
        })
    }

    /// What `work` gives within the deadline of an attack.
    pub(crate) async fn in_time<T>(
        work: impl Future<Output = Result<T, NotRun>>,
    ) -> Result<T, NotRun> {
        let late = || NotRun::new(format!("It did not end within {} s.", DEADLINE.as_secs()));
        timeout(DEADLINE, work).await.map_err(|_| late())?
    }

    fn begin(&self, journey: JourneyTag) -> Option<Running<'_>> {
        let is_first = self.running.lock().insert(journey);
        is_first.then_some(Running { lab: self, journey })
    }
}

/// The attacks that are running, by the address of the browser that started them.
#[derive(Default)]
struct Slots(Mutex<HashMap<AddrBucket, usize>>);

/// The room of one attack; it ends with this value.
pub(crate) struct Slot<'s> {
    slots: &'s Slots,
    from: AddrBucket,
}

impl Slots {
    fn take(&self, from: AddrBucket) -> Option<Slot<'_>> {
        let mut running = self.0.lock();
        let all: usize = running.values().sum();
        let own = running.get(&from).copied().unwrap_or_default();
        if all >= AT_ONCE || own >= OF_ADDRESS {
            return None;
        }
        running.insert(from, own + 1);
        Some(Slot { slots: self, from })
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut running = self.slots.0.lock();
        if let Some(own) = running.get_mut(&self.from) {
            *own -= 1;
            if *own == 0 {
                running.remove(&self.from);
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_room_for_the_attacks_of_others_and_all_together_have_a_bound() {
        let slots = Slots::default();
        let address = |last: u8| AddrBucket::of([192, 0, 2, last].into());
        let take =
            |last, most| -> Vec<_> { (0..most).map_while(|_| slots.take(address(last))).collect() };
        let mut own = take(1, AT_ONCE);
        assert_eq!(own.len(), OF_ADDRESS);
        let others = take(2, AT_ONCE);
        assert_eq!(others.len(), AT_ONCE - OF_ADDRESS);
        assert!(slots.take(address(3)).is_none());
        own.pop();
        assert!(slots.take(address(3)).is_some());
        drop((own, others));
        assert!(slots.0.lock().is_empty());
    }
}
