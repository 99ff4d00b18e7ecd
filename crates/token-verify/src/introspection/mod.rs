//! Token introspection (RFC 7662), a resource server's side: the provider says whether a
//! token is active, and what it allows now. The token may be of any form.
//!
//! An answer is used again for a bounded time ([`cache`]), and one request at a time is in
//! progress for each token ([`single_flight`]). If the provider cannot be asked, nothing is
//! known about the token: that is 503, never 401.

mod answer;
mod cache;
mod question;
pub mod settings;
mod single_flight;

use std::sync::Arc;

use kit::{clock::Clock, metrics::Timer};
use parking_lot::Mutex;
use tracing::Span;

use self::{
    cache::{Answer, Answers},
    question::{Failure, Question},
    settings::IntrospectionSettings,
    single_flight::{LastOutcome, NoAnswer, SingleFlight},
};
use crate::{
    issuer::Issuer,
    jwks::Jwks,
    refusal::Refusal,
    verified::{Fingerprint, Verified},
};

/// A text that is no token of anybody.
const NO_TOKEN: &str = "probe";

/// Introspects the tokens of one resource server.
pub(crate) struct Introspection {
    question: Question,
    answers: Mutex<Answers>,
    single_flight: SingleFlight,
    clock: Arc<dyn Clock>,
}

/// The provider answers no introspection request of this resource server.
#[derive(Clone, Debug, thiserror::Error)]
#[error("introspection: {0}")]
pub struct NoIntrospection(String);

impl Introspection {
    /// For the resource server `audience`. `jwks` are the keys of `issuer`; `calls`
    /// counts the requests.
    pub(crate) fn new(
        settings: &IntrospectionSettings,
        audience: &Arc<str>,
        (issuer, jwks): (&Issuer, &Arc<Jwks>),
        clock: &Arc<dyn Clock>,
        calls: Timer,
    ) -> Self {
        Self {
            question: Question::new(settings, audience, (issuer, jwks), clock, calls),
            answers: Mutex::new(Answers::new(settings.bound)),
            single_flight: SingleFlight::default(),
            clock: Arc::clone(clock),
        }
    }

    /// Whether the provider answers this resource server: its address and the client's
    /// credentials are right.
    pub(crate) async fn reach(&self) -> Result<(), NoIntrospection> {
        let asked = self.question.ask(NO_TOKEN).await;
        let failed = |failure: Failure| NoIntrospection(failure.to_string());
        asked.map(drop).map_err(failed)
    }

    /// What `token`, of which `fingerprint` is the hash, allows now. Records in `span`
    /// whether the answer was cached.
    pub(crate) async fn check(
        &self,
        token: &str,
        fingerprint: Fingerprint,
        span: &Span,
    ) -> Result<Arc<Verified>, Refusal> {
        let cached = self.answers.lock().get(&fingerprint, self.clock.now());
        span.record("sso.cache_hit", cached.is_some());
        let answer = match cached {
            Some(answer) => Ok(answer),
            None => self.ask_once(token, fingerprint).await,
        };
        let answer = answer.map_err(|NoAnswer| Refusal::NoIntrospection)?;
        answer.map_err(Refusal::Invalid)
    }

    /// Asks, unless another request has asked in time.
    async fn ask_once(&self, token: &str, fingerprint: Fingerprint) -> Result<Answer, NoAnswer> {
        let arrived = self.single_flight.current();
        let lock = self.single_flight.lock_of(fingerprint);
        let mut last = lock.lock().await;
        if let Some(last) = &*last {
            let now = self.clock.now();
            let is_fresh = self.answers.lock().is_fresh(last.asked_at, now);
            if last.is_good_for(arrived, is_fresh) {
                return last.outcome.clone();
            }
        }
        let (sent, asked_at) = (self.single_flight.next(), self.clock.now());
        let outcome = self.question.ask(token).await.map_err(|failure| {
            let error = failure.outcome();
            tracing::warn!(error, "a token is not introspected: {failure}");
            NoAnswer
        });
        if let Ok(answer) = &outcome {
            self.answers.lock().put(fingerprint, answer, asked_at);
        }
        *last = Some(LastOutcome {
            sent,
            ended: self.single_flight.next(),
            asked_at,
            outcome: outcome.clone(),
        });
        outcome
    }
}
