//! What a lab may do to a running service: inject failures for a time, have signing keys
//! rotated, ask what the service keeps for a journey. It exists only in a process with the
//! lab's secret; elsewhere [`of_service`] is `None`.

mod clock;
mod fault;
mod peer_failures;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;

use self::peer_failures::PeerFailures;
pub use self::{
    fault::{Amount, DEFAULT_SECONDS, Fault, SECONDS, Setting},
    peer_failures::FAILURES,
};
use crate::{
    clock::{Clock, SystemClock},
    config::Site,
    journey::{self, JourneyTag},
    telemetry::names::span,
};

/// Where a service is controlled.
pub const CONTROL: &str = "/lab/control";
/// Where a service tells what it keeps for a journey.
pub const INSPECT: &str = "/lab/inspect";
/// The action that replaces the signing keys. It has no end.
pub const ROTATED_KEY: &str = "rotated-key";

/// The services that a lab controls, with their sites.
pub const CONTROLLED: [(&str, Site); 5] = [
    ("idp", Site::Idp),
    ("app1-bff", Site::App1),
    ("app2-bff", Site::App2),
    ("api-1", Site::Api1),
    ("api-2", Site::Api2),
];

/// What a service itself does for the lab.
pub trait Agent: Send + Sync {
    /// Replaces the signing keys now, and returns the names of the new ones. `None`: the
    /// service has no signing keys.
    fn rotate_keys(&self) -> Option<BoxFuture<'_, Result<Vec<String>, String>>> {
        None
    }

    /// What the service keeps for `journey`, without secrets.
    fn inspect(&self, journey: JourneyTag) -> BoxFuture<'_, serde_json::Value>;
}

/// The lab's hold on one service of this process.
pub struct Control {
    service: &'static str,
    site: Site,
    clock: Arc<dyn Clock>,
    switches: [Switch; Fault::ALL.len()],
    /// The failures of the services that it calls.
    peers: PeerFailures,
    agent: OnceLock<Arc<dyn Agent>>,
}

/// A failure's end, zero while it was never on, and its amount.
#[derive(Default)]
struct Switch {
    until: AtomicI64,
    amount: AtomicI64,
}

/// A failure that is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// Its name.
    pub fault: String,
    /// Its amount; zero if it has none.
    pub amount: i64,
    /// How long it goes on, in milliseconds.
    pub remaining_ms: u64,
    /// The effect, in a sentence.
    pub sentence: String,
}

impl InForce {
    /// `fault`, which goes on for `left` milliseconds; `None` if `left` is not positive.
    fn new(fault: Fault, amount: i64, left: i64) -> Option<Self> {
        let remaining_ms = u64::try_from(left).ok().filter(|left| *left > 0)?;
        Some(Self {
            fault: fault.name().to_owned(),
            amount,
            remaining_ms,
            sentence: fault.sentence(amount),
        })
    }

    /// How long it goes on, in seconds, rounded up.
    pub const fn seconds(&self) -> u64 {
        self.remaining_ms.div_ceil(1000)
    }
}

/// The controls of this process's services.
static CONTROLS: Mutex<BTreeMap<&'static str, Arc<Control>>> = Mutex::new(BTreeMap::new());

/// The control of `service`, if this process has the lab's secret and the lab controls such
/// a service.
pub fn of_service(service: &str) -> Option<Arc<Control>> {
    if !journey::is_lab() {
        return None;
    }
    let (service, site) = *CONTROLLED.iter().find(|(name, _)| *name == service)?;
    let mut controls = CONTROLS.lock();
    let control = controls.entry(service);
    let made = || Arc::new(Control::new(service, site, Arc::new(SystemClock)));
    Some(Arc::clone(control.or_insert_with(made)))
}

/// The clock of `service`: `clock`, or where a lab may shift it, a view of it.
pub fn clock_of(service: &str, clock: &Arc<dyn Clock>) -> Arc<dyn Clock> {
    match of_service(service) {
        Some(control) => Arc::new(clock::Shifted::new(clock, control)),
        None => Arc::clone(clock),
    }
}

impl Control {
    /// The control of `service`. Failures end by `clock`, which no failure shifts.
    pub fn new(service: &'static str, site: Site, clock: Arc<dyn Clock>) -> Self {
        Self {
            service,
            site,
            clock,
            switches: std::array::from_fn(|_| Switch::default()),
            peers: PeerFailures::default(),
            agent: OnceLock::new(),
        }
    }

    /// The service's name.
    pub const fn service(&self) -> &'static str {
        self.service
    }

    /// The service's site.
    pub const fn site(&self) -> Site {
        self.site
    }

    /// From now on `agent` acts for the service. The first one counts.
    pub fn act_by(&self, agent: Arc<dyn Agent>) {
        let _ = self.agent.set(agent);
    }

    /// What acts for the service, once it has started.
    pub fn agent(&self) -> Option<&Arc<dyn Agent>> {
        self.agent.get()
    }

    /// Switches a failure on, or gives it another end.
    pub fn set(&self, setting: Setting) {
        let switch = &self.switches[setting.fault as usize];
        let until = self.clock.now().millis() + setting.seconds * 1000;
        switch.amount.store(setting.amount, Ordering::Relaxed);
        switch.until.store(until, Ordering::Release);
        let (service, fault, seconds) = (self.service, setting.fault.name(), setting.seconds);
        tracing::warn!(service, fault, seconds, "the lab has switched a failure on");
    }

    /// Switches `fault` off, or all of them.
    pub fn end(&self, fault: Option<Fault>) {
        for one in Fault::ALL {
            if fault.is_none_or(|fault| fault == one) {
                let switch = &self.switches[one as usize];
                switch.until.store(0, Ordering::Release);
            }
        }
        let (service, fault) = (self.service, fault.map_or("all", Fault::name));
        tracing::info!(service, fault, "the lab has switched failures off");
    }

    /// The amount of `fault` if it is on; one atomic load if it is off.
    pub fn amount(&self, fault: Fault) -> Option<i64> {
        let until = &self.switches[fault as usize].until;
        let end = until.load(Ordering::Acquire);
        if end == 0 {
            return None;
        }
        if self.clock.now().millis() < end {
            let amount = &self.switches[fault as usize].amount;
            return Some(amount.load(Ordering::Relaxed));
        }
        // If it fails, the failure has another end by now.
        let _ = until.compare_exchange(end, 0, Ordering::AcqRel, Ordering::Relaxed);
        None
    }

    /// Whether `fault` is on.
    pub fn is(&self, fault: Fault) -> bool {
        self.amount(fault).is_some()
    }

    /// Every failure that is on.
    pub fn in_force(&self) -> Vec<InForce> {
        let state = |fault: Fault| {
            let amount = self.amount(fault)?;
            let until = self.switches[fault as usize].until.load(Ordering::Acquire);
            let left = until.saturating_sub(self.clock.now().millis());
            InForce::new(fault, amount, left)
        };
        Fault::ALL.into_iter().filter_map(state).collect()
    }

    /// What the answers of the service say of its failures, as the value of [`FAILURES`];
    /// `None` while there is none.
    pub fn failures_value(&self) -> Option<String> {
        if !Fault::ALL.into_iter().any(|fault| self.is(fault)) {
            return None;
        }
        Some(peer_failures::written(&self.in_force()))
    }

    /// Remembers the failures that the service at `site` names in the headers of its answer.
    pub fn note_peer_failures(&self, site: Site, headers: &HeaderMap) {
        let value = headers.get(FAILURES).map(HeaderValue::as_bytes);
        self.peers.replace(site, value, self.clock.now());
    }

    /// The failures of the services that this one has called, by their answers.
    pub fn peer_failures(&self) -> Vec<(Site, InForce)> {
        self.peers.in_force(self.clock.now())
    }

    /// Waits before an answer of the token endpoint, as long as it is slow. The wait is a
    /// span.
    pub async fn delay_token(&self) {
        let amount = self.amount(Fault::SlowToken);
        let Some(seconds) = amount.and_then(|amount| u64::try_from(amount).ok()) else {
            return;
        };
        let step = crate::step!(
            span::FAULT_DELAY,
            "sso.fault" = Fault::SlowToken.name(),
            "otel.status_code" = "ERROR"
        );
        let wait = tokio::time::sleep(Duration::from_secs(seconds));
        wait.instrument(step).await;
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Control");
        shown.field("service", &self.service);
        shown.field("in_force", &self.in_force());
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::clock::{ManualClock, Timestamp};

    fn control() -> (Control, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_800_000_000)));
        let control = Control::new("idp", Site::Idp, Arc::<ManualClock>::clone(&clock));
        (control, clock)
    }

    fn setting(name: &str, seconds: i64) -> Setting {
        Setting::new(Site::Idp, name, Some(seconds), None).unwrap()
    }

    #[test]
    fn a_failure_lasts_for_its_time_and_ends_by_itself() {
        let (control, clock) = control();
        for fault in Fault::ALL {
            assert!(!control.is(fault), "{fault:?}");
            control.set(setting(fault.name(), 5));
            clock.advance(Duration::from_millis(4999));
            assert!(control.is(fault), "{fault:?}");
            let [on] = &control.in_force()[..] else {
                panic!("{control:?}");
            };
            assert_eq!((on.remaining_ms, on.seconds()), (1, 1));
            assert_eq!(on.fault, fault.name());
            clock.advance(Duration::from_millis(1));
            assert!(!control.is(fault) && control.in_force().is_empty());
        }
    }

    #[test]
    fn setting_it_again_replaces_time_and_amount() {
        let (control, clock) = control();
        control.set(setting("slow-token", 100));
        let shorter = Setting::new(Site::Idp, "slow-token", Some(2), Some(7));
        control.set(shorter.unwrap());
        assert_eq!(control.amount(Fault::SlowToken), Some(7));
        clock.advance(Duration::from_secs(2));
        assert_eq!(control.amount(Fault::SlowToken), None);
    }

    #[test]
    fn one_failure_is_switched_off_or_all_of_them() {
        let (control, _) = control();
        for name in ["down", "store-away", "clock-skew"] {
            control.set(setting(name, 300));
        }
        control.end(Some(Fault::Down));
        assert!(!control.is(Fault::Down) && control.is(Fault::StoreAway));
        control.end(None);
        assert_eq!(control.in_force(), []);
    }

    #[test]
    fn without_the_labs_secret_nothing_is_controlled() {
        // No unit test of this crate gives its process the lab's secret.
        for (service, _) in CONTROLLED {
            assert!(of_service(service).is_none());
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        assert!(Arc::ptr_eq(&clock_of("idp", &clock), &clock));
    }

    #[tokio::test]
    async fn the_token_endpoint_waits_only_while_it_is_slow() {
        let (control, clock) = control();
        let is_at_once = || control.delay_token().now_or_never().is_some();
        assert!(is_at_once());
        control.set(setting("slow-token", 60));
        assert!(!is_at_once());
        clock.advance(Duration::from_secs(60));
        assert!(is_at_once());
    }
}
