//! One at a time for each session, inside this process. Across processes the
//! store's lease does the same.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    sync::OwnedMutexGuard,
    time::{Instant, timeout_at},
};

use super::error::TokenError;

/// The most sessions that wait at once. More means that the provider is away
/// and a flood is here: then a quick refusal is the kinder answer.
const MAX_SESSIONS: usize = 10_000;

/// What the one before left behind: how it failed, if it did.
type Turn = Arc<tokio::sync::Mutex<Option<TokenError>>>;

/// Who waits for which session.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<String, Turn>>>);

/// The right to go. It ends when this is dropped.
pub(super) struct Going {
    // The order counts: the turn is given on before the place is cleared.
    last: OwnedMutexGuard<Option<TokenError>>,
    /// Whether somebody went before while this one waited.
    pub(super) waited: bool,
    _place: Place,
}

/// A place in the queue, cleared with the last one who holds it.
struct Place {
    flights: Flights,
    session: String,
    turn: Option<Turn>,
}

impl Flights {
    /// Waits for this session's turn. Who waited for one that failed shares
    /// the failure, if it is the same for every audience: a hundred requests do
    /// not try an absent provider in turn.
    pub(super) async fn go(&self, session: &str, deadline: Instant) -> Result<Going, TokenError> {
        // The turn is let go of before the place: that one counts who is left.
        let (place, turn) = self.place(session).ok_or(TokenError::TookTooLong)?;
        if let Ok(mut last) = turn.clone().try_lock_owned() {
            *last = None;
            return Ok(Going {
                last,
                waited: false,
                _place: place,
            });
        }
        let last = timeout_at(deadline, turn.lock_owned())
            .await
            .map_err(|_| TokenError::TookTooLong)?;
        match &*last {
            Some(failure) => Err(failure.clone()),
            None => Ok(Going {
                last,
                waited: true,
                _place: place,
            }),
        }
    }

    fn place(&self, session: &str) -> Option<(Place, Turn)> {
        let mut turns = self.0.lock();
        if turns.len() >= MAX_SESSIONS && !turns.contains_key(session) {
            return None;
        }
        let turn = turns.entry(session.to_owned()).or_default().clone();
        let place = Place {
            flights: self.clone(),
            session: session.to_owned(),
            turn: Some(turn.clone()),
        };
        Some((place, turn))
    }
}

impl Going {
    /// Tells those who wait how it went. They may wait for another audience.
    pub(super) fn landed<T>(&mut self, outcome: &Result<T, TokenError>) {
        let failure = outcome.as_ref().err();
        *self.last = failure.filter(|e| e.is_for_every_audience()).cloned();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut turns = self.flights.0.lock();
        self.turn = None;
        // Only the map itself holds it now: nobody waits.
        if turns
            .get(&self.session)
            .is_some_and(|turn| Arc::strong_count(turn) == 1)
        {
            turns.remove(&self.session);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::provider::ProviderError;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn nothing_is_left_behind() {
        let flights = Flights::default();
        drop(flights.go("s", soon()).await.ok());
        assert!(flights.0.lock().is_empty());
        let going = flights.go("s", soon()).await.ok();
        assert!(matches!(
            flights.go("s", Instant::now()).await,
            Err(TokenError::TookTooLong)
        ));
        drop(going);
        assert!(flights.0.lock().is_empty());
    }

    /// What one gets who waits for another that ends with `failure`.
    async fn waited_for(failure: TokenError) -> Result<bool, TokenError> {
        let flights = Flights::default();
        let mut first = flights.go("s", soon()).await.ok().unwrap();
        let waiting = tokio::spawn({
            let flights = flights.clone();
            async move { flights.go("s", soon()).await.map(|going| going.waited) }
        });
        while flights
            .0
            .lock()
            .get("s")
            .is_none_or(|turn| Arc::strong_count(turn) < 4)
        {
            tokio::task::yield_now().await;
        }
        first.landed(&Err::<(), _>(failure));
        drop(first);
        let waited = waiting.await.unwrap();
        let later = flights.go("s", soon()).await;
        assert!(
            later.is_ok_and(|going| !going.waited),
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
            TokenError::NoneToBeHad,
        ] {
            assert_eq!(waited_for(failure).await, Ok(true));
        }
    }

    #[tokio::test]
    async fn two_sessions_do_not_wait_for_each_other() {
        let flights = Flights::default();
        let _first = flights.go("a", soon()).await.ok().unwrap();
        assert!(flights.go("b", Instant::now()).await.is_ok());
    }
}
