//! What the attacks need of the lab, and how many run at a time.

use std::{collections::HashSet, sync::Arc, time::Duration};

use headless_browser::Transport;
use kit::{
    Deps,
    clock::Clock,
    config::Addresses,
    journey::{Journey, JourneyKeys, JourneyTag},
    net::AddrBucket,
    random::Random,
    shares::{Bounds, Share, Shares},
};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::outcome::NotRun;
use crate::{Config, Offers, evil::Traps};

/// How many attacks run at the same time.
const AT_ONCE: Bounds = Bounds {
    of_one: 4,
    together: 8,
    always: 1,
};
/// How long an attack may take, without the sign-outs after it.
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
    slots: Shares,
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
            slots: Shares::new(AT_ONCE),
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
    pub(crate) fn slot(&self, from: AddrBucket) -> Result<Share, NotRun> {
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
    use kit::shutdown::Shutdown;

    use super::*;
    use crate::served;

    #[tokio::test]
    async fn an_address_has_a_few_attacks_at_a_time_and_leaves_room_for_others() {
        let keys = Arc::new(JourneyKeys::new(
            &"a lab of a test".into(),
            "http://lab.localhost:8080",
        ));
        let config = Config {
            journeys: Some(Arc::clone(&keys)),
            ..served::config()
        };
        let deps = Deps::system(Shutdown::new());
        let lab = AttackContext::new(&config, &deps).unwrap();
        let address = |last: u8| AddrBucket::of([192, 0, 2, last].into());
        let run = async |from| {
            let journey = keys.begin(&*deps.random);
            lab.bounded(&journey, from, async { Ok(()) }).await
        };
        let mut own: Vec<_> = (0..AT_ONCE.of_one)
            .map(|_| lab.slot(address(1)).unwrap())
            .collect();
        assert!(run(address(1)).await.is_err());
        assert!(lab.slot(address(1)).is_err());
        assert!(run(address(2)).await.is_ok());
        let others: Vec<_> = (0..AT_ONCE.of_one)
            .map(|_| lab.slot(address(2)).unwrap())
            .collect();
        // All together have a bound, and yet nobody is locked out.
        let newcomer = lab.slot(address(3)).unwrap();
        assert!(run(address(3)).await.is_err());
        own.truncate(AT_ONCE.of_one - 2);
        assert!(run(address(3)).await.is_ok());
        drop((own, others, newcomer));
        assert!(run(address(1)).await.is_ok());
    }
}
