//! An access token for an audience: from the session, or minted with its one
//! refresh token. Minting is single-flight per session, not per audience: two
//! at once would redeem the same rotating refresh token twice.

pub(crate) mod error;
mod flight;
mod peek;

use std::{future::pending, sync::Arc, time::Duration};

use kit::{Ground, clock::Clock, random::Random, telemetry::names::span};
use store::{SharedStore, Store};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};
use tracing::{Instrument as _, Span};

use self::flight::Flights;
pub(crate) use self::{error::TokenError, peek::audience_of};
use crate::{
    provider::{AudienceBy, Grant, Provider},
    sessions::{Session, Sessions},
};

/// How long the lease on a session's refresh lasts unless it is prolonged.
const LEASE: Duration = Duration::from_secs(10);
/// How often it is prolonged while the token call runs.
const PROLONG: Duration = Duration::from_secs(3);
/// How long a request waits for another's refresh.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it looks whether that one is done: from the first to the last.
const POLL: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(250));
/// How often a result is written again over others' changes of the session.
const MAX_CONFLICTS: usize = 8;

/// What a deployment can set.
#[derive(Clone, Debug)]
pub(crate) struct TokenSettings {
    /// A token that ends this soon is renewed before the call.
    pub(crate) margin: Duration,
    /// How a refresh names the audience.
    pub(crate) audience_by: AudienceBy,
}

/// Which token is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// For this audience.
    pub(crate) audience: &'static str,
    /// But not this one: the API refused it.
    pub(crate) not: Option<String>,
}

/// Access tokens of all sessions.
#[derive(Clone)]
pub(crate) struct Tokens(Arc<Inner>);

struct Inner {
    sessions: Arc<Sessions>,
    provider: Arc<Provider>,
    store: SharedStore,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    settings: TokenSettings,
    flights: Flights,
}

impl Tokens {
    pub(crate) fn new(
        sessions: Arc<Sessions>,
        provider: Arc<Provider>,
        store: SharedStore,
        ground: &Ground,
        settings: TokenSettings,
    ) -> Self {
        let (clock, random) = (ground.clock.clone(), ground.random.clone());
        let flights = Flights::default();
        Self(Arc::new(Inner {
            sessions,
            provider,
            store,
            clock,
            random,
            settings,
            flights,
        }))
    }

    /// An access token for `session` that is worth a call.
    pub(crate) async fn access_token_for(
        &self,
        session: &Session,
        wanted: Wanted,
    ) -> Result<String, TokenError> {
        let span = kit::step!(
            span::ACCESS_TOKEN,
            "sso.audience" = wanted.audience,
            "sso.token_source" = tracing::field::Empty
        );
        let inner = &self.0;
        let found = async {
            if let Some(token) = inner.usable(session, &wanted) {
                Span::current().record("sso.token_source", "session");
                return Ok(token);
            }
            inner.clone().mint(session.clone(), wanted).await
        };
        found.instrument(span).await
    }
}

impl Inner {
    fn usable(&self, session: &Session, wanted: &Wanted) -> Option<String> {
        let token =
            session
                .record
                .usable(wanted.audience, self.clock.now(), self.settings.margin)?;
        (wanted.not.as_deref() != Some(token)).then(|| token.to_owned())
    }

    async fn mint(self: Arc<Self>, session: Session, wanted: Wanted) -> Result<String, TokenError> {
        let deadline = Instant::now() + PATIENCE;
        let mut going = self.flights.go(&session.key, deadline).await?;
        if going.waited
            && let Some(token) = self.shared(&session, &wanted).await?
        {
            return Ok(token);
        }
        // A task of its own: a browser that goes away in the middle must not
        // leave a refresh token redeemed and its successor not saved.
        let work = async move {
            let outcome = self.under_lease(&session, &wanted, deadline).await;
            going.landed(&outcome);
            outcome
        };
        let done = tokio::spawn(work.instrument(Span::current())).await;
        done.unwrap_or_else(|error| {
            Err(TokenError::Store(format!(
                "the refresh did not end: {error}"
            )))
        })
    }

    /// What another request saved meanwhile.
    async fn shared(
        &self,
        session: &Session,
        wanted: &Wanted,
    ) -> Result<Option<String>, TokenError> {
        let current = self
            .sessions
            .reload(session)
            .await?
            .ok_or(TokenError::Ended)?;
        let token = self.usable(&current, wanted);
        if token.is_some() {
            Span::current().record("sso.token_source", "shared");
        }
        Ok(token)
    }

    async fn under_lease(
        &self,
        session: &Session,
        wanted: &Wanted,
        deadline: Instant,
    ) -> Result<String, TokenError> {
        let lease = format!("{}:refresh", session.key);
        let holder = self.random.id();
        let mut pause = POLL.0;
        while !self.store.lease(&lease, &holder, LEASE).await? {
            if Instant::now() >= deadline {
                return Err(TokenError::TookTooLong);
            }
            sleep(pause).await;
            pause = (pause * 2).min(POLL.1);
            if let Some(token) = self.shared(session, wanted).await? {
                return Ok(token);
            }
        }
        let prolonging = async {
            hold(&*self.store, &lease, &holder, PROLONG).await;
            tracing::warn!("another request took over the lease on a session's refresh");
            // The refresh goes on: a redeemed token's successor has to be saved.
            pending().await
        };
        let outcome = tokio::select! {
            outcome = self.refresh(session, wanted) => outcome,
            outcome = prolonging => outcome,
        };
        // Where the store does not take it back, it ends by itself.
        let _ = self.store.release(&lease, &holder).await;
        outcome
    }

    /// With the lease held. What was read before it is read again.
    async fn refresh(&self, session: &Session, wanted: &Wanted) -> Result<String, TokenError> {
        let current = self
            .sessions
            .reload(session)
            .await?
            .ok_or(TokenError::Ended)?;
        if let Some(token) = self.usable(&current, wanted) {
            Span::current().record("sso.token_source", "shared");
            return Ok(token);
        }
        let Some(refresh_token) = current.record.refresh_token.clone() else {
            return Err(self.without_refresh(&current, wanted).await?);
        };
        let redeemed = self
            .provider
            .redeem_refresh(&refresh_token, wanted.audience, self.settings.audience_by)
            .await;
        let grant = match redeemed.map_err(TokenError::from) {
            Ok(grant) => grant,
            Err(TokenError::Ended) => {
                return Err(self.end_if_still(&current, &refresh_token).await?);
            }
            Err(error) => return Err(error),
        };
        // Some providers answer a target that they do not know with a default one.
        let meant =
            audience_of(&grant.access_token).is_none_or(|aud| aud.contains(wanted.audience));
        self.save(current, wanted.audience, &refresh_token, &grant, meant)
            .await?;
        if !meant {
            return Err(TokenError::WrongAudience);
        }
        Span::current().record("sso.token_source", "minted");
        Ok(grant.access_token)
    }

    /// Nothing can be minted: the session is of use as long as a token is kept
    /// that some API still takes.
    async fn without_refresh(
        &self,
        session: &Session,
        wanted: &Wanted,
    ) -> Result<TokenError, TokenError> {
        let (now, refused) = (self.clock.now(), wanted.not.as_deref());
        if session.record.is_of_use(now, self.settings.margin, refused) {
            return Ok(TokenError::NoneToBeHad);
        }
        self.sessions.end_read(session).await?;
        Ok(TokenError::Ended)
    }

    /// The provider takes the refresh token no more: the session ends, unless
    /// somebody has put a newer one in its place meanwhile.
    async fn end_if_still(
        &self,
        session: &Session,
        redeemed: &str,
    ) -> Result<TokenError, TokenError> {
        match self.sessions.reload(session).await? {
            Some(current) if current.record.refresh_token.as_deref() == Some(redeemed) => {
                self.sessions.end_read(&current).await?;
                Ok(TokenError::Ended)
            }
            Some(_) => Ok(TokenError::TookTooLong),
            None => Ok(TokenError::Ended),
        }
    }

    /// Saves what the refresh gave in the session as it is now. One that has
    /// ended meanwhile stays ended.
    async fn save(
        &self,
        mut current: Session,
        audience: &str,
        redeemed: &str,
        grant: &Grant,
        meant: bool,
    ) -> Result<(), TokenError> {
        for _ in 0..MAX_CONFLICTS {
            let mut record = current.record.clone();
            record.take_over(meant.then_some(audience), redeemed, grant);
            if self.sessions.replace(&current, record).await?.is_some() {
                return Ok(());
            }
            current = self
                .sessions
                .reload(&current)
                .await?
                .ok_or(TokenError::Ended)?;
        }
        Err(TokenError::Store(
            "the session changed all the time".to_owned(),
        ))
    }
}

/// Prolongs the lease `key` for `holder`, until another holds it. A store that
/// fails now fails the save as well, which says so.
async fn hold(store: &dyn Store, key: &str, holder: &str, every: Duration) {
    let mut tick = interval_at(Instant::now() + every, every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if matches!(store.lease(key, holder, LEASE).await, Ok(false)) {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
