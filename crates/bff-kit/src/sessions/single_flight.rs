//! One refresh at a time for each key, inside this process. Across processes the
//! store's lease does the same.

use std::{sync::Arc, time::Duration};

use kit::{
    keyed_locks::{KeyedLock, KeyedLocks},
    metrics::Timer,
    telemetry::context::in_current_trace,
};
use tokio::{
    sync::OwnedMutexGuard,
    time::{Instant, timeout_at},
};
use tracing::Span;

use super::error::TokenError;

/// How long a request waits for another's refresh.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(25);
/// The most keys at once. There are more only while the provider is unreachable and many
/// requests arrive. Then a quick refusal is better.
const MAX_KEYS: usize = 10_000;

/// How the last refresh failed, if it did.
type LastFailure = Option<TokenError>;

/// The refreshes under way.
#[derive(Clone)]
pub(super) struct SingleFlight {
    locks: KeyedLocks<String, LastFailure>,
    /// How long requests wait.
    waits: Timer,
}

/// The right to refresh. It ends when this is dropped.
pub(super) struct Permit {
    // The order of the fields matters: the lock is released before its use ends.
    last: OwnedMutexGuard<LastFailure>,
    /// Whether another refresh ended while this one waited.
    pub(super) waited: bool,
    _used: KeyedLock<String, LastFailure>,
}

impl SingleFlight {
    /// `waits` measures how long requests wait.
    pub(super) fn new(waits: Timer) -> Self {
        Self {
            locks: KeyedLocks::default(),
            waits,
        }
    }

    /// Waits until no other request of this process refreshes `key`, and measures
    /// that.
    pub(super) async fn acquire(&self, key: &str, deadline: Instant) -> Result<Permit, TokenError> {
        let since = Instant::now();
        let permit = self.wait(key, deadline).await;
        if permit.as_ref().map_or(true, |permit| permit.waited) {
            self.waited("process", since, deadline);
        }
        permit
    }

    /// A waiting request shares the failure of the one before if it is the same for
    /// every audience: a hundred requests do not try an unreachable provider in turn.
    async fn wait(&self, key: &str, deadline: Instant) -> Result<Permit, TokenError> {
        let lock = self.locks.of_at_most(MAX_KEYS, key.to_owned());
        let lock = lock.ok_or(TokenError::TookTooLong)?;
        if let Ok(mut last) = Arc::clone(&lock).try_lock_owned() {
            *last = None;
            return Ok(Permit {
                last,
                waited: false,
                _used: lock,
            });
        }
        let last = timeout_at(deadline, Arc::clone(&lock).lock_owned())
            .await
            .map_err(|_| TokenError::TookTooLong)?;
        match &*last {
            Some(failure) => Err(failure.clone()),
            None => Ok(Permit {
                last,
                waited: true,
                _used: lock,
            }),
        }
    }

    /// Measures that a request has waited since `since` for another one's refresh: in
    /// this `process`, or in another `replica`. It gives up at `deadline`.
    pub(super) fn waited(&self, place: &str, since: Instant, deadline: Instant) {
        let now = Instant::now();
        self.waits.record(&[place], now - since);
        let all = MAX_WAIT.saturating_sub(deadline - now).as_millis();
        let all = i64::try_from(all).unwrap_or(i64::MAX);
        Span::current().record("sso.lease_waited_ms", all);
    }
}

impl Permit {
    /// Tells the waiting requests how the refresh ended. An error that concerns only one
    /// audience is not passed on, because they may need another.
    pub(super) fn finish<T>(&mut self, outcome: &Result<T, TokenError>) {
        let failure = outcome.as_ref().err();
        *self.last = failure.filter(|e| e.is_for_every_audience()).cloned();
    }
}

/// Runs `refresh` in a task of its own: a browser that goes away in the middle must
/// not leave a refresh token redeemed and its successor not saved. Its store commands
/// count for the request that waits for it.
pub(super) async fn detached<T: Send + 'static>(
    refresh: impl Future<Output = Result<T, TokenError>> + Send + 'static,
) -> Result<T, TokenError> {
    let counted = store::op_count::counted(in_current_trace(refresh));
    match tokio::spawn(counted).await {
        Ok((outcome, commands)) => {
            store::op_count::add(commands);
            outcome
        }
        Err(error) => Err(TokenError::Store(format!(
            "the refresh did not end: {error}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{meters::Meters, provider::ProviderError};

    fn single_flight() -> SingleFlight {
        SingleFlight::new(Meters::for_test().refresh_waits)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn nothing_is_left_behind() {
        let flights = single_flight();
        drop(flights.acquire("s", soon()).await.ok());
        assert!(flights.locks.is_unused());
        let permit = flights.acquire("s", soon()).await.ok();
        assert!(matches!(
            flights.acquire("s", Instant::now()).await,
            Err(TokenError::TookTooLong)
        ));
        drop(permit);
        assert!(flights.locks.is_unused());
    }

    /// What one gets who waits for another that ends with `failure`.
    async fn waited_for(failure: TokenError) -> Result<bool, TokenError> {
        let flights = single_flight();
        let mut first = flights.acquire("s", soon()).await.ok().unwrap();
        let waiting = tokio::spawn({
            let flights = flights.clone();
            async move {
                flights
                    .acquire("s", soon())
                    .await
                    .map(|permit| permit.waited)
            }
        });
        while flights.locks.users(&"s".to_owned()) < 2 {
            tokio::task::yield_now().await;
        }
        first.finish(&Err::<(), _>(failure));
        drop(first);
        let waited = waiting.await.unwrap();
        let later = flights.acquire("s", soon()).await;
        assert!(
            later.is_ok_and(|permit| !permit.waited),
            "who comes later tries"
        );
        waited
    }

    #[tokio::test]
    async fn who_waited_shares_a_failure_that_is_the_same_for_every_audience() {
        let away = ProviderError::Unavailable {
            why: "refused".into(),
            retry_after: 1,
        };
        for failure in [
            TokenError::Ended,
            TokenError::Store("away".into()),
            TokenError::Provider(away),
        ] {
            assert_eq!(waited_for(failure.clone()).await, Err(failure));
        }
    }

    #[tokio::test]
    async fn who_waited_for_another_audiences_refusal_goes_on() {
        let refused = ProviderError::Refused {
            code: "invalid_target".into(),
        };
        for failure in [
            TokenError::Provider(refused),
            TokenError::WrongAudience,
            TokenError::NoRefreshToken,
        ] {
            assert_eq!(waited_for(failure).await, Ok(true));
        }
    }

    #[tokio::test]
    async fn two_sessions_do_not_wait_for_each_other() {
        let flights = single_flight();
        let _first = flights.acquire("a", soon()).await.ok().unwrap();
        assert!(flights.acquire("b", Instant::now()).await.is_ok());
    }
}
