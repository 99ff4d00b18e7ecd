//! What the provider counts beside its requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use kit::{
    clock::Clock,
    metrics::{Counter, Metrics},
    telemetry::names::{Metric, metric},
};

use crate::{keys::Keys, sessions::index, state::Idp};

/// How often what is there is counted in the store: never for a request.
pub const EVERY: Duration = Duration::from_secs(10);

/// Its instruments.
#[derive(Clone)]
pub struct Meters {
    /// Passwords that came, by outcome.
    pub sign_ins: Counter,
    /// Clients that authenticated, by outcome.
    pub client_authentications: Counter,
    /// Grants that were judged, by kind and outcome.
    pub token_requests: Counter,
    /// Login sessions that ended, by reason.
    pub sessions_ended: Counter,
    /// Grants that were taken back, by reason.
    pub grants_revoked: Counter,
    /// Attempts to tell an app of a logout, by outcome.
    pub logout_notices: Counter,
    unlisted: Counter,
    sessions: Found,
    outbox: Found,
}

/// What a list has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// A login session.
    Login,
    /// A grant.
    Grant,
    /// What the worker writes to see whether the store loses something.
    Probe,
}

impl Unlisted {
    /// In a word, for metrics.
    const fn word(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Grant => "grant",
            Self::Probe => "probe",
        }
    }
}

/// What was found when somebody last counted; nothing where the store did not say.
#[derive(Clone)]
struct Found(Arc<AtomicU64>);

const NOTHING: u64 = u64::MAX;

impl Found {
    fn shown_as(metrics: &Metrics, metric: &Metric) -> Self {
        let found = Self(Arc::new(AtomicU64::new(NOTHING)));
        let shown = found.clone();
        metrics.gauge(metric, move || match shown.0.load(Relaxed) {
            NOTHING => Vec::new(),
            #[expect(clippy::cast_precision_loss, reason = "nobody has so many")]
            count => vec![("", count as f64)],
        });
        found
    }

    fn set(&self, count: Option<u64>) {
        self.0.store(count.unwrap_or(NOTHING), Relaxed);
    }
}

impl Meters {
    /// Those in `metrics`.
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            sign_ins: metrics.counter(&metric::SIGN_INS),
            client_authentications: metrics.counter(&metric::CLIENT_AUTHENTICATIONS),
            token_requests: metrics.counter(&metric::TOKEN_REQUESTS),
            sessions_ended: metrics.counter(&metric::SESSIONS_ENDED),
            grants_revoked: metrics.counter(&metric::GRANTS_REVOKED),
            logout_notices: metrics.counter(&metric::LOGOUT_NOTICES),
            unlisted: metrics.counter(&metric::UNLISTED),
            sessions: Found::shown_as(metrics, &metric::SESSIONS_ACTIVE),
            outbox: Found::shown_as(metrics, &metric::LOGOUT_OUTBOX),
        }
    }

    /// A record was there, and the list by which it is ended did not name it.
    pub fn unlisted(&self, what: Unlisted) {
        let kind = what.word();
        self.unlisted.add(&[kind]);
        tracing::error!(
            kind,
            "the store has lost a part of what was written together; what is left of it ends"
        );
    }

    /// Counts what is in the store.
    pub async fn look(&self, idp: &Idp) {
        self.sessions.set(index::count(idp).await.ok());
        self.outbox.set(idp.outbox.depth().await.ok());
    }
}

/// Shows how old each of `keys` is whose file says so.
pub fn show_ages(metrics: &Metrics, keys: Keys, clock: Arc<dyn Clock>) {
    metrics.gauge(&metric::KEY_AGE, move || {
        let now = clock.now();
        let created = keys.created();
        created
            .map(|(algorithm, at)| (algorithm.as_str(), at.until(now).as_secs_f64()))
            .collect()
    });
}
