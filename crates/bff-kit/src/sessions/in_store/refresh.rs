//! Renewing the access tokens of a session in the store. One refresh at a time for
//! each session, not for each audience: two at once would redeem the same rotating
//! refresh token twice. [`SingleFlight`] makes sure of this inside the process, a lease
//! in the store across replicas. Under the lease the record is read again.

use std::{future::pending, sync::Arc, time::Duration};

use kit::{clock::Clock, random::Random};
use oauth_types::ErrorCode;
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
    audiences::Audience,
    bearer::Bearer,
    credentials::{
        Credentials, UserToken,
        refresh::{is_for, redeem},
    },
    provider::{AudienceBy, Grant, Provider},
};

/// How long the lease on a session's refresh lasts unless it is prolonged. If the process
/// that holds the lease is killed, others wait that long.
pub(in crate::sessions) const LEASE: Duration = Duration::from_secs(4);
/// How often the lease is prolonged while the token request runs.
const PROLONG: Duration = Duration::from_secs(1);
/// The pauses between two tries to take the lease, from the first to the longest.
const POLL: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(250));

/// Renews the access tokens of sessions in the store.
pub(super) struct Refresher {
    pub(super) records: Arc<Records>,
    pub(super) provider: Arc<Provider>,
    pub(super) credentials: Arc<Credentials>,
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
        let (now, key) = (self.clock.now(), wanted.key());
        let token = session.record.access_token(key, now, self.margin)?;
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
            // The refresh continues, because the successor of a redeemed token has to be saved.
            pending().await
        };
        let outcome = tokio::select! {
            outcome = self.refresh(session, wanted) => outcome,
            outcome = prolonging => outcome,
        };
        // If the store fails, the lease expires.
        let _ = self.leases.release(&lease, &holder).await;
        outcome
    }

    /// Refreshes while the lease is held. Reads the record again first.
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
        match wanted.token {
            UserToken::Own => self.redeem(current, wanted.audience, wanted).await,
            made => self.make(made, current, wanted).await,
        }
    }

    /// The user's own token for `audience`, by the session's refresh token, and saved.
    async fn redeem(
        &self,
        current: Arc<Stored>,
        audience: &'static Audience,
        wanted: &Wanted,
    ) -> Result<AccessToken, TokenError> {
        let Some(refresh_token) = current.record.refresh_token.clone() else {
            return Err(self.without_refresh(&current, wanted).await?);
        };
        let redeeming = redeem(&self.provider, &refresh_token, audience, self.audience_by);
        let grant = match redeeming.await.map_err(TokenError::from) {
            Ok(grant) => grant,
            Err(TokenError::Ended) => {
                return Err(self.end_if_still(&current, &refresh_token).await?);
            }
            Err(error) => return Err(error),
        };
        let matches = is_for(&grant, audience);
        let refreshed = Arc::new(Refreshed {
            audience: matches.then_some(audience.uri),
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

    /// A token of the kind `token`, made from the user's own, and saved.
    async fn make(
        &self,
        token: UserToken,
        current: Arc<Stored>,
        wanted: &Wanted,
    ) -> Result<AccessToken, TokenError> {
        let audience = wanted.audience;
        let own_for = token.made_from(audience);
        let record = &current.record;
        let kept = record.access_token(own_for.uri, self.clock.now(), self.margin);
        // Without a refresh token there is no later proof of the login.
        let is_enough = token.proves_the_login() || record.refresh_token.is_none();
        let kept = kept.filter(|_| is_enough).cloned();
        let sub = &record.about.user.sub;
        let kept = match &kept {
            Some(own) => match self.made(token, own, sub, audience).await {
                // The provider takes the kept one no more: the refresh token tells why.
                Err(error) if refuses_subject(&error) && record.refresh_token.is_some() => None,
                made => Some(made?),
            },
            None => None,
        };
        let made = if let Some(made) = kept {
            made
        } else {
            let own = self.redeem(current.clone(), own_for, wanted).await?;
            self.made(token, &own, sub, audience).await?
        };
        if !is_for(&made, audience) {
            return Err(TokenError::WrongAudience);
        }
        let made = AccessToken::from(&made);
        let saving = self
            .pending
            .save_token(&current.handle, wanted.key(), &made);
        saving.await?;
        Span::current().record("sso.token_source", "minted");
        Ok(made)
    }

    /// What the provider makes of `own`. A refusal does not end the session.
    async fn made(
        &self,
        token: UserToken,
        own: &AccessToken,
        sub: &str,
        audience: &'static Audience,
    ) -> Result<Grant, TokenError> {
        let making = self.credentials.make(token, &own.token, sub, audience);
        making.await.map_err(TokenError::Provider)
    }

    /// The error for a session without a refresh token. Such a session ends with the last
    /// of its access tokens.
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

/// Whether the provider refused the token that another was to be made from (RFC 8693
/// §2.2.2), or its user.
fn refuses_subject(error: &TokenError) -> bool {
    let codes = [ErrorCode::InvalidRequest, ErrorCode::InvalidGrant];
    matches!(error, TokenError::Provider(error) if codes.iter().any(|code| error.is_refused_as(*code)))
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
