//! One refresh at a time for each key, inside this process. Across processes the
//! store's lease does the same.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kit::{metrics::Timer, telemetry::context::in_current_trace};
use parking_lot::Mutex;
use tokio::{
    sync::OwnedMutexGuard,
    time::{Instant, timeout_at},
};
use tracing::Span;

use super::error::TokenError;

/// How long a request waits for another's refresh.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(25);
/// The most keys at once. More means that the provider is unreachable and many
/// requests come: then a quick refusal is the better answer.
const MAX_KEYS: usize = 10_000;

/// How the last refresh failed, if it did.
type Lock = Arc<tokio::sync::Mutex<Option<TokenError>>>;

/// The refreshes under way.
#[derive(Clone)]
pub(super) struct SingleFlight {
    locks: Arc<Mutex<HashMap<String, Lock>>>,
    /// How long requests wait.
    waits: Timer,
}

/// The right to refresh. It ends when this is dropped.
pub(super) struct Permit {
    // The order counts: the lock is released before the entry is removed.
    last: OwnedMutexGuard<Option<TokenError>>,
    /// Whether another refresh ended while this one waited.
    pub(super) waited: bool,
    _entry: Entry,
}

/// A request that holds the lock or waits for it; the last one removes the lock.
struct Entry {
    locks: Arc<Mutex<HashMap<String, Lock>>>,
    key: String,
    lock: Option<Lock>,
}

impl SingleFlight {
    /// `waits` measures how long requests wait.
    pub(super) fn new(waits: Timer) -> Self {
        Self {
            locks: Arc::default(),
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
        // The lock is dropped before the entry: that one counts who is left.
        let (entry, lock) = self.entry(key).ok_or(TokenError::TookTooLong)?;
        if let Ok(mut last) = lock.clone().try_lock_owned() {
            *last = None;
            return Ok(Permit {
                last,
                waited: false,
                _entry: entry,
            });
        }
        let last = timeout_at(deadline, lock.lock_owned())
            .await
            .map_err(|_| TokenError::TookTooLong)?;
        match &*last {
            Some(failure) => Err(failure.clone()),
            None => Ok(Permit {
                last,
                waited: true,
                _entry: entry,
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

    fn entry(&self, key: &str) -> Option<(Entry, Lock)> {
        let mut locks = self.locks.lock();
        if locks.len() >= MAX_KEYS && !locks.contains_key(key) {
            return None;
        }
        let lock = locks.entry(key.to_owned()).or_default().clone();
        let entry = Entry {
            locks: self.locks.clone(),
            key: key.to_owned(),
            lock: Some(lock.clone()),
        };
        Some((entry, lock))
    }
}

impl Permit {
    /// Tells the waiting requests how the refresh ended. They may want another
    /// audience.
    pub(super) fn finish<T>(&mut self, outcome: &Result<T, TokenError>) {
        let failure = outcome.as_ref().err();
        *self.last = failure.filter(|e| e.is_for_every_audience()).cloned();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut locks = self.locks.lock();
        self.lock = None;
        // Only the map itself holds it now: no request waits.
        if locks
            .get(&self.key)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            locks.remove(&self.key);
        }
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
        assert!(flights.locks.lock().is_empty());
        let permit = flights.acquire("s", soon()).await.ok();
        assert!(matches!(
            flights.acquire("s", Instant::now()).await,
            Err(TokenError::TookTooLong)
        ));
        drop(permit);
        assert!(flights.locks.lock().is_empty());
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
        while flights
            .locks
            .lock()
            .get("s")
            .is_none_or(|lock| Arc::strong_count(lock) < 4)
        {
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
