//! Renewing the access tokens of a session that is in its cookies (`stateless`).
//! There is no lease: each replica redeems the refresh token that the cookie brings,
//! once for each audience, and shares the result with all requests that bring the
//! same one. The provider's grace covers two redemptions of one token, or the
//! client's refresh tokens do not rotate.
//!
//! A successor is never redeemed in place of the cookie's own refresh token: answers
//! reach the browser in any order. An answer whose refresh token was redeemed again
//! meanwhile leaves the browser the newer one. Other replicas do not know of that;
//! there the provider's grace covers it.

use std::{sync::Arc, time::Duration};

use kit::{
    bounded_cache::BoundedCache,
    clock::{Clock, Timestamp},
    seal::fingerprint,
};
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::Span;

use super::super::{
    cookie_codec::Renewal,
    error::TokenError,
    record::AccessToken,
    session::Wanted,
    single_flight::{MAX_WAIT, SingleFlight, detached},
};
use crate::{
    audiences::Audience,
    provider::{AudienceBy, Grant, Provider},
};

/// For how long a result is shared: shorter than providers' grace for a refresh
/// token that comes again.
const SHARED: Duration = Duration::from_secs(20);
/// The most results that are shared.
const MAX_SHARED: usize = 10_000;

/// Renews the access tokens of sessions in cookies.
pub(super) struct Refresher {
    pub(super) provider: Arc<Provider>,
    pub(super) clock: Arc<dyn Clock>,
    /// How a refresh names the audience.
    pub(super) audience_by: AudienceBy,
    pub(super) single_flight: SingleFlight,
    pub(super) recent: Recent,
}

/// The results of a moment ago, by refresh token and audience, and until when each is
/// shared.
pub(super) struct Recent(Mutex<BoundedCache<String, (Arc<Grant>, Timestamp)>>);

/// A session's renewal cookie, and the result of using it.
pub(super) struct Renewed {
    before: Renewal,
    audience: &'static Audience,
    grant: Arc<Grant>,
}

impl Renewed {
    /// The access token.
    pub(super) fn token(&self) -> AccessToken {
        AccessToken::from(&*self.grant)
    }

    /// The renewal of the session from now on.
    pub(super) fn renewal(&self) -> Renewal {
        self.before.clone().after(self.audience.uri, &self.grant)
    }
}

impl Refresher {
    /// An access token by the refresh token of `renewal`.
    pub(super) async fn renew(
        self: Arc<Self>,
        renewal: Renewal,
        wanted: Wanted,
    ) -> Result<Renewed, TokenError> {
        let Some(refresh_token) = renewal.refresh_token.clone() else {
            return Err(TokenError::NoRefreshToken);
        };
        let audience = wanted.audience;
        let key = key(&refresh_token, audience);
        let deadline = Instant::now() + MAX_WAIT;
        let mut permit = self.single_flight.acquire(&key, deadline).await?;
        let shared = self.recent.get(&key, self.clock.now());
        let shared = shared.filter(|grant| wanted.accepts(&grant.access_token));
        let grant = if let Some(grant) = shared {
            Span::current().record("sso.token_source", "shared");
            grant
        } else {
            let this = self.clone();
            let refreshing = async move {
                let outcome = this.redeem(&refresh_token, audience).await;
                if let Ok(grant) = &outcome {
                    this.recent.put(key, grant.clone(), this.clock.now());
                }
                permit.finish(&outcome);
                outcome
            };
            detached(refreshing).await?
        };
        Ok(Renewed {
            before: renewal,
            audience,
            grant,
        })
    }

    /// The renewal cookie to be set after `renewed`.
    pub(super) fn to_be_set(&self, renewed: &Renewed) -> Option<Renewal> {
        self.recent.to_be_set(renewed, self.clock.now())
    }

    async fn redeem(
        &self,
        refresh_token: &str,
        audience: &Audience,
    ) -> Result<Arc<Grant>, TokenError> {
        let redeeming = self
            .provider
            .redeem_refresh(refresh_token, audience.uri, self.audience_by);
        let grant = redeeming.await?;
        let is_for = grant.access_token.unverified_audience();
        if is_for.is_some_and(|aud| !aud.contains(audience.uri)) {
            return Err(TokenError::WrongAudience);
        }
        Span::current().record("sso.token_source", "minted");
        Ok(Arc::new(grant))
    }
}

impl Default for Recent {
    fn default() -> Self {
        Self(Mutex::new(BoundedCache::new(MAX_SHARED)))
    }
}

impl Recent {
    /// The renewal cookie to be set after `renewed`, now that the answer is ready:
    /// none where the successor has been redeemed already, for then a newer answer has
    /// set a newer one. It records the other tokens of the same refresh token too.
    fn to_be_set(&self, renewed: &Renewed, now: Timestamp) -> Option<Renewal> {
        let mut renewal = renewed.renewal();
        let before = renewed.before.refresh_token.as_deref()?;
        let successor = renewal.refresh_token.as_deref()?;
        let used = |token: &str, audience| self.get(&key(token, audience), now);
        let mut all = Audience::ALL.into_iter();
        if successor != before && all.any(|audience| used(successor, audience).is_some()) {
            return None;
        }
        for audience in Audience::ALL {
            if let Some(grant) = used(before, audience) {
                renewal.beside(audience.uri, grant.expires_at);
            }
        }
        Some(renewal)
    }

    fn get(&self, key: &str, now: Timestamp) -> Option<Arc<Grant>> {
        let shared = self.0.lock();
        let (grant, until) = shared.get(key)?;
        (now < *until).then(|| grant.clone())
    }

    fn put(&self, key: String, grant: Arc<Grant>, now: Timestamp) {
        let mut shared = self.0.lock();
        // Tokens are not kept longer than they are of use.
        shared.remove_oldest_while(|(_, until)| *until <= now);
        shared.insert(key, (grant, now + SHARED));
    }
}

/// The key of a result. It holds no bearer secret.
fn key(refresh_token: &str, audience: &Audience) -> String {
    format!("{} {}", fingerprint(refresh_token), audience.uri)
}
