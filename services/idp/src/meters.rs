//! The metrics of the provider, beside those of its requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use kit::{
    metrics::{Counter, Metrics},
    telemetry::names::{Metric, metric},
};

use crate::keys::Keys;

/// How often the worker counts in the store.
pub const EVERY: Duration = Duration::from_secs(10);

/// Its instruments.
#[derive(Clone)]
pub struct Meters {
    /// Password checks, by outcome.
    pub sign_ins: Counter,
    /// Client authentications, by outcome.
    pub client_authentications: Counter,
    /// Token requests, by grant type and outcome.
    pub token_requests: Counter,
    /// User codes of devices that were typed, by outcome.
    pub user_codes: Counter,
    /// Token introspections, by outcome.
    pub introspections: Counter,
    /// New signing keys, by algorithm and occasion.
    pub key_rotations: Counter,
    /// Login sessions that ended, by reason.
    pub sessions_ended: Counter,
    /// Grants that were revoked, by reason.
    pub grants_revoked: Counter,
    /// Attempts to deliver a back-channel logout, by outcome.
    pub logout_notices: Counter,
    unlisted: Counter,
    sessions: LastCount,
    outbox: LastCount,
}

/// What is missing in a list of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// A login session.
    Login,
    /// A grant.
    Grant,
    /// The probe that the worker writes.
    Probe,
}

impl Unlisted {
    /// The label in metrics.
    const fn label(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Grant => "grant",
            Self::Probe => "probe",
        }
    }
}

/// The last count; none if the store failed.
#[derive(Clone)]
struct LastCount(Arc<AtomicU64>);

const NOTHING: u64 = u64::MAX;

impl LastCount {
    fn gauge(metrics: &Metrics, metric: &Metric) -> Self {
        let last = Self(Arc::new(AtomicU64::new(NOTHING)));
        let shown = last.clone();
        metrics.gauge(metric, move || match shown.0.load(Relaxed) {
            NOTHING => Vec::new(),
            #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
            count => vec![("", count as f64)],
        });
        last
    }

    fn set(&self, count: Option<u64>) {
        self.0.store(count.unwrap_or(NOTHING), Relaxed);
    }
}

impl Meters {
    /// Registers them in `metrics`.
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            sign_ins: metrics.counter(&metric::SIGN_INS),
            client_authentications: metrics.counter(&metric::CLIENT_AUTHENTICATIONS),
            token_requests: metrics.counter(&metric::TOKEN_REQUESTS),
            user_codes: metrics.counter(&metric::USER_CODES),
            introspections: metrics.counter(&metric::INTROSPECTIONS),
            key_rotations: metrics.counter(&metric::KEY_ROTATIONS),
            sessions_ended: metrics.counter(&metric::SESSIONS_ENDED),
            grants_revoked: metrics.counter(&metric::GRANTS_REVOKED),
            logout_notices: metrics.counter(&metric::LOGOUT_NOTICES),
            unlisted: metrics.counter(&metric::UNLISTED),
            sessions: LastCount::gauge(metrics, &metric::SESSIONS_ACTIVE),
            outbox: LastCount::gauge(metrics, &metric::LOGOUT_OUTBOX),
        }
    }

    /// Counts a record without its entry in the index that revocation uses.
    pub fn unlisted(&self, what: Unlisted) {
        let kind = what.label();
        self.unlisted.add(&[kind]);
        tracing::error!(
            kind,
            "the store has lost one of two keys that were written together; the other one ends"
        );
    }

    /// The number of login sessions.
    pub fn show_sessions(&self, count: Option<u64>) {
        self.sessions.set(count);
    }

    /// The number of queued back-channel logouts.
    pub fn show_outbox(&self, count: Option<u64>) {
        self.outbox.set(count);
    }
}

/// Shows the age of each key that signs, if known.
pub fn show_ages(metrics: &Metrics, keys: Keys) {
    metrics.gauge(&metric::KEY_AGE, move || {
        let now = keys.now();
        let created = keys.created();
        created
            .into_iter()
            .map(|(algorithm, at)| (algorithm.as_str(), at.until(now).as_secs_f64()))
            .collect()
    });
}
