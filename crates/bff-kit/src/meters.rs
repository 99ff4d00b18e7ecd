//! The app's metrics beside those of its requests.

use kit::{
    metrics::{Counter, Metrics, Timer},
    telemetry::names::metric,
};

/// An app's instruments.
#[derive(Clone)]
pub(crate) struct Meters {
    /// Finished logins, by outcome.
    pub(crate) logins: Counter,
    /// Calls to the token endpoint, by grant and outcome.
    pub(crate) token_calls: Timer,
    /// Waits for another request's refresh, by where that one runs.
    pub(crate) refresh_waits: Timer,
    /// Received logout tokens, by outcome.
    pub(crate) logout_tokens: Counter,
    /// Sessions whose index entry the store had lost.
    pub(crate) unlisted: Counter,
}

impl Meters {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            logins: metrics.counter(&metric::LOGINS),
            token_calls: metrics.timer(&metric::TOKEN_CALLS),
            refresh_waits: metrics.timer(&metric::REFRESH_WAITS),
            logout_tokens: metrics.counter(&metric::LOGOUT_TOKENS),
            unlisted: metrics.counter(&metric::UNLISTED),
        }
    }

    #[cfg(test)]
    pub(crate) fn for_test() -> Self {
        Self::new(&Metrics::new("tested").unwrap())
    }
}
