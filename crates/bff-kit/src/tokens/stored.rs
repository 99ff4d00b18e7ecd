//! Minting for a session in the store. One at a time for each session, not for
//! each audience: two at once would redeem the same rotating refresh token
//! twice. In this process by a flight, across replicas by a lease; what was
//! read before the lease is read again under it.

use std::{future::pending, sync::Arc, time::Duration};

use store::Store;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};
use tracing::Span;

use super::{Inner, PATIENCE, TokenError, Wanted, audience_of, saving::Gain, undisturbed};
use crate::sessions::{AccessToken, Stored};

/// How long the lease on a session's refresh lasts unless it is prolonged: so
/// long do others wait when its holder was killed.
pub(super) const LEASE: Duration = Duration::from_secs(4);
/// How often it is prolonged while the token call runs.
const PROLONG: Duration = Duration::from_secs(1);
/// How often it looks whether that one is done: from the first to the last.
const POLL: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(250));

impl Inner {
    /// The token that the record has, if it is worth a call.
    pub(super) fn usable(&self, session: &Stored, wanted: &Wanted) -> Option<AccessToken> {
        let now = self.clock.now();
        let record = &session.record;
        let token = record.usable(wanted.audience.uri, now, self.settings.margin)?;
        (wanted.not.as_ref() != Some(&token.token)).then(|| token.clone())
    }

    /// A new token for `session`.
    pub(super) async fn mint_stored(
        self: Arc<Self>,
        session: Arc<Stored>,
        wanted: Wanted,
    ) -> Result<AccessToken, TokenError> {
        let deadline = Instant::now() + PATIENCE;
        let key = self.sessions.shelf().key(&session.handle);
        let asked = Instant::now();
        let going = self.flights.go(&key, deadline).await;
        if going.as_ref().map_or(true, |going| going.waited) {
            self.waited("process", asked, deadline);
        }
        let mut going = going?;
        if going.waited
            && let Some(token) = self.shared(&session, &wanted).await?
        {
            return Ok(token);
        }
        let minting = async move {
            let outcome = self.under_lease(&session, &wanted, deadline).await;
            going.landed(&outcome);
            outcome
        };
        undisturbed(minting).await
    }

    /// What another request saved meanwhile.
    async fn shared(
        &self,
        session: &Stored,
        wanted: &Wanted,
    ) -> Result<Option<AccessToken>, TokenError> {
        let current = self.current(session).await?.ok_or(TokenError::Ended)?;
        let token = self.usable(&current, wanted);
        if token.is_some() {
            Span::current().record("sso.token_source", "shared");
        }
        Ok(token)
    }

    /// `session` as it is now; `None` once it has ended.
    pub(super) async fn current(
        &self,
        session: &Stored,
    ) -> Result<Option<Arc<Stored>>, TokenError> {
        Ok(self.sessions.shelf().look(&session.handle).await?)
    }

    async fn under_lease(
        self: &Arc<Self>,
        session: &Stored,
        wanted: &Wanted,
        deadline: Instant,
    ) -> Result<AccessToken, TokenError> {
        let lease = self.sessions.shelf().lease(&session.handle);
        let holder = self.random.id();
        let mut pause = POLL.0;
        let asked = Instant::now();
        let mut had_to_wait = false;
        while !self.store.lease(&lease, &holder, LEASE).await? {
            if Instant::now() >= deadline {
                self.waited("replica", asked, deadline);
                return Err(TokenError::TookTooLong);
            }
            sleep(pause).await;
            had_to_wait = true;
            pause = (pause * 2).min(POLL.1);
            if let Some(token) = self.shared(session, wanted).await? {
                self.waited("replica", asked, deadline);
                return Ok(token);
            }
        }
        if had_to_wait {
            self.waited("replica", asked, deadline);
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
    async fn refresh(
        self: &Arc<Self>,
        session: &Stored,
        wanted: &Wanted,
    ) -> Result<AccessToken, TokenError> {
        let current = self.current(session).await?.ok_or(TokenError::Ended)?;
        let current = self.caught_up(current).await?;
        if let Some(token) = self.usable(&current, wanted) {
            Span::current().record("sso.token_source", "shared");
            return Ok(token);
        }
        if !self.sessions.shelf().is_listed(&current).await? {
            return Err(TokenError::Ended);
        }
        let Some(refresh_token) = current.record.refresh_token.clone() else {
            return Err(self.without_refresh(&current, wanted).await?);
        };
        let audience = wanted.audience.uri;
        let redeeming =
            self.provider
                .redeem_refresh(&refresh_token, audience, self.settings.audience_by);
        let grant = match redeeming.await.map_err(TokenError::from) {
            Ok(grant) => grant,
            Err(TokenError::Ended) => {
                return Err(self.end_if_still(&current, &refresh_token).await?);
            }
            Err(error) => return Err(error),
        };
        // Some providers answer a target that they do not know with a default one.
        let is_for = audience_of(grant.access_token.token());
        let meant = is_for.is_none_or(|aud| aud.contains(audience));
        let gain = Arc::new(Gain {
            audience: meant.then_some(audience),
            redeemed: refresh_token,
            grant,
        });
        self.keep(current, &gain).await?;
        if !meant {
            return Err(TokenError::WrongAudience);
        }
        Span::current().record("sso.token_source", "minted");
        Ok(AccessToken::from(&gain.grant))
    }

    /// Nothing can be minted: the session is of use as long as a token is kept
    /// that some API still takes.
    async fn without_refresh(
        &self,
        session: &Stored,
        wanted: &Wanted,
    ) -> Result<TokenError, TokenError> {
        let now = self.clock.now();
        let refused = wanted.not.as_ref().map(crate::bearer::Bearer::token);
        if session.record.is_of_use(now, self.settings.margin, refused) {
            return Ok(TokenError::NoneToBeHad);
        }
        self.sessions.end_stored(session).await?;
        Ok(TokenError::Ended)
    }

    /// The provider takes the refresh token no more: the session ends, unless
    /// somebody has put a newer one in its place meanwhile.
    async fn end_if_still(
        &self,
        session: &Stored,
        redeemed: &str,
    ) -> Result<TokenError, TokenError> {
        match self.current(session).await? {
            Some(current) if current.record.refresh_token.as_deref() == Some(redeemed) => {
                self.sessions.end_stored(&current).await?;
                Ok(TokenError::Ended)
            }
            Some(_) => Ok(TokenError::TookTooLong),
            None => Ok(TokenError::Ended),
        }
    }
}

/// Prolongs the lease `key` for `holder`, until another holds it. A store that
/// fails now fails the save as well, which says so.
pub(super) async fn hold(store: &dyn Store, key: &str, holder: &str, every: Duration) {
    let mut tick = interval_at(Instant::now() + every, every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if matches!(store.lease(key, holder, LEASE).await, Ok(false)) {
            return;
        }
    }
}
