//! Renewing the access tokens of a session in the store. One refresh at a time for
//! each session, not for each audience: two at once would redeem the same rotating
//! refresh token twice. Inside this process that is [`SingleFlight`]'s work, across
//! replicas a lease's; under the lease the record is read again.

use std::{future::pending, sync::Arc, time::Duration};

use kit::{clock::Clock, random::Random};
use store::Leases;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};
use tracing::Span;

use super::{
    super::{
        error::TokenError,
        record::AccessToken,
        records::{Records, Stored},
        session::Wanted,
        single_flight::{MAX_WAIT, SingleFlight, detached},
    },
    pending::{PendingWrites, Refreshed},
};
use crate::{
    bearer::Bearer,
    provider::{AudienceBy, Provider},
};

/// How long the lease on a session's refresh lasts unless it is prolonged: others
/// wait that long when the process that holds it was killed.
pub(in crate::sessions) const LEASE: Duration = Duration::from_secs(4);
/// How often it is prolonged while the token call runs.
const PROLONG: Duration = Duration::from_secs(1);
/// The pauses between two tries to take the lease, from the first to the longest.
const POLL: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(250));

/// Renews the access tokens of sessions in the store.
pub(super) struct Refresher {
    pub(super) records: Arc<Records>,
    pub(super) provider: Arc<Provider>,
    pub(super) leases: Arc<dyn Leases>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    /// A token that expires within this time is renewed.
    pub(super) margin: Duration,
    /// How a refresh names the audience.
    pub(super) audience_by: AudienceBy,
    pub(super) single_flight: SingleFlight,
    pub(super) pending: Arc<PendingWrites>,
}

impl Refresher {
    /// The access token for `session`: the one of its record, or a new one.
    pub(super) async fn access_token(
        self: Arc<Self>,
        session: Arc<Stored>,
        wanted: Wanted,
    ) -> Result<AccessToken, TokenError> {
        if let Some(token) = self.usable(&session, &wanted) {
            return Ok(token);
        }
        let deadline = Instant::now() + MAX_WAIT;
        let key = self.records.key(&session.handle);
        let mut permit = self.single_flight.acquire(&key, deadline).await?;
        if permit.waited
            && let Some(token) = self.shared(&session, &wanted).await?
        {
            return Ok(token);
        }
        let refreshing = async move {
            let outcome = self.under_lease(&session, &wanted, deadline).await;
            permit.finish(&outcome);
            outcome
        };
        detached(refreshing).await
    }

    /// The token of the record, if the call can use it.
    fn usable(&self, session: &Stored, wanted: &Wanted) -> Option<AccessToken> {
        let (now, uri) = (self.clock.now(), wanted.audience.uri);
        let token = session.record.access_token(uri, now, self.margin)?;
        wanted.accepts(&token.token).then(|| token.clone())
    }

    /// The token that another request has saved meanwhile.
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
    async fn current(&self, session: &Stored) -> Result<Option<Arc<Stored>>, TokenError> {
        Ok(self.records.read(&session.handle).await?)
    }

    async fn under_lease(
        &self,
        session: &Stored,
        wanted: &Wanted,
        deadline: Instant,
    ) -> Result<AccessToken, TokenError> {
        let lease = self.records.lease(&session.handle);
        let holder = self.random.id();
        let mut pause = POLL.0;
        let since = Instant::now();
        let mut had_to_wait = false;
        while !self.leases.lease(&lease, &holder, LEASE).await? {
            if Instant::now() >= deadline {
                self.single_flight.waited("replica", since, deadline);
                return Err(TokenError::TookTooLong);
            }
            sleep(pause).await;
            had_to_wait = true;
            pause = (pause * 2).min(POLL.1);
            if let Some(token) = self.shared(session, wanted).await? {
                self.single_flight.waited("replica", since, deadline);
                return Ok(token);
            }
        }
        if had_to_wait {
            self.single_flight.waited("replica", since, deadline);
        }
        let prolonging = async {
            hold(&*self.leases, &lease, &holder, PROLONG).await;
            tracing::warn!("another request took over the lease on a session's refresh");
            // The refresh continues: a redeemed token's successor has to be saved.
            pending().await
        };
        let outcome = tokio::select! {
            outcome = self.refresh(session, wanted) => outcome,
            outcome = prolonging => outcome,
        };
        // Where the store fails, the lease expires.
        let _ = self.leases.release(&lease, &holder).await;
        outcome
    }

    /// With the lease held. The record is read again.
    async fn refresh(&self, session: &Stored, wanted: &Wanted) -> Result<AccessToken, TokenError> {
        let current = self.current(session).await?.ok_or(TokenError::Ended)?;
        let current = self.pending.caught_up(current).await?;
        if let Some(token) = self.usable(&current, wanted) {
            Span::current().record("sso.token_source", "shared");
            return Ok(token);
        }
        if !self.records.is_listed(&current).await? {
            return Err(TokenError::Ended);
        }
        let Some(refresh_token) = current.record.refresh_token.clone() else {
            return Err(self.without_refresh(&current, wanted).await?);
        };
        let audience = wanted.audience.uri;
        let redeeming = self
            .provider
            .redeem_refresh(&refresh_token, audience, self.audience_by);
        let grant = match redeeming.await.map_err(TokenError::from) {
            Ok(grant) => grant,
            Err(TokenError::Ended) => {
                return Err(self.end_if_still(&current, &refresh_token).await?);
            }
            Err(error) => return Err(error),
        };
        // Some providers issue a token for a default audience where they do not know
        // the requested one.
        let is_for = grant.access_token.unverified_audience();
        let matches = is_for.is_none_or(|aud| aud.contains(audience));
        let refreshed = Arc::new(Refreshed {
            audience: matches.then_some(audience),
            redeemed: refresh_token,
            grant,
        });
        self.pending.save(current, &refreshed).await?;
        if !matches {
            return Err(TokenError::WrongAudience);
        }
        Span::current().record("sso.token_source", "minted");
        Ok(AccessToken::from(&refreshed.grant))
    }

    /// Without a refresh token the session lives as long as one of its access tokens.
    async fn without_refresh(
        &self,
        session: &Stored,
        wanted: &Wanted,
    ) -> Result<TokenError, TokenError> {
        let now = self.clock.now();
        let rejected = wanted.rejected.as_ref().map(Bearer::token);
        if session.record.is_of_use(now, self.margin, rejected) {
            return Ok(TokenError::NoRefreshToken);
        }
        self.records.end(session).await?;
        Ok(TokenError::Ended)
    }

    /// The provider refuses the refresh token: the session ends, unless another
    /// request has saved a newer one meanwhile.
    async fn end_if_still(
        &self,
        session: &Stored,
        redeemed: &str,
    ) -> Result<TokenError, TokenError> {
        match self.current(session).await? {
            Some(current) if current.record.refresh_token.as_deref() == Some(redeemed) => {
                self.records.end(&current).await?;
                Ok(TokenError::Ended)
            }
            Some(_) => Ok(TokenError::TookTooLong),
            None => Ok(TokenError::Ended),
        }
    }
}

/// Prolongs the lease `key` for `holder`, until another holds it. A store that
/// fails now fails the save as well, which says so.
pub(in crate::sessions) async fn hold(
    leases: &dyn Leases,
    key: &str,
    holder: &str,
    every: Duration,
) {
    let mut tick = interval_at(Instant::now() + every, every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if matches!(leases.lease(key, holder, LEASE).await, Ok(false)) {
            return;
        }
    }
}
