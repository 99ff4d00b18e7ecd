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
    credentials::{
        Credentials, UserToken,
        refresh::{is_for, redeem},
    },
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
    pub(super) credentials: Arc<Credentials>,
    pub(super) clock: Arc<dyn Clock>,
    /// How a refresh names the audience.
    pub(super) audience_by: AudienceBy,
    pub(super) single_flight: SingleFlight,
    pub(super) recent: Recent,
}

/// The results of a moment ago, by refresh token, audience and kind of token, and until
/// when each is shared.
pub(super) struct Recent(Mutex<BoundedCache<String, (Arc<Grant>, Timestamp)>>);

/// A session's renewal cookie, and the result of using it.
pub(super) struct Renewed {
    before: Renewal,
    audience: &'static Audience,
    /// The result of the refresh.
    own: Arc<Grant>,
    /// The token for the call: the user's own, or one made from that.
    pub(super) token: Result<AccessToken, TokenError>,
}

impl Renewed {
    /// The renewal of the session from now on.
    pub(super) fn renewal(&self) -> Renewal {
        let renewal = self.before.clone().after(self.own.refresh_token.as_ref());
        match &self.token {
            Ok(token) => renewal.with(self.audience.uri, token.expires_at),
            Err(_) => renewal,
        }
    }
}

impl Refresher {
    /// An access token of the user `sub` by the refresh token of `renewal`.
    pub(super) async fn renew(
        self: Arc<Self>,
        renewal: Renewal,
        wanted: Wanted,
        sub: String,
    ) -> Result<Renewed, TokenError> {
        let Some(refresh_token) = renewal.refresh_token.clone() else {
            return Err(TokenError::NoRefreshToken);
        };
        let audience = wanted.audience;
        // A refresh token is redeemed once for each audience, whatever is made from the result.
        let own_for = wanted.token.made_from(audience);
        let own_key = key(&refresh_token, own_for, UserToken::Own);
        let deadline = Instant::now() + MAX_WAIT;
        let mut permit = self.single_flight.acquire(&own_key, deadline).await?;
        let key = key(&refresh_token, audience, wanted.token);
        let shared = self.shared(&key, &own_key, &wanted);
        let (own, token) = if let Some((own, token)) = shared {
            Span::current().record("sso.token_source", "shared");
            (own, Ok(token))
        } else {
            let this = self.clone();
            let refreshing = async move {
                let own = this.own(&refresh_token, &own_key, &wanted).await;
                permit.finish(&own);
                let own = own?;
                let token = match wanted.token {
                    UserToken::Own => Ok(own.clone()),
                    made => this.make(made, &own, &sub, audience).await,
                };
                permit.finish(&token);
                if let Ok(token) = &token {
                    Span::current().record("sso.token_source", "minted");
                    this.recent.put(key, token.clone(), this.clock.now());
                }
                Ok((own, token))
            };
            let (own, token) = detached(refreshing).await?;
            (own, token.map(|grant| AccessToken::from(&*grant)))
        };
        Ok(Renewed {
            before: renewal,
            audience,
            own,
            token,
        })
    }

    /// The results of another request, if the call can use them.
    fn shared(
        &self,
        key: &str,
        own_key: &str,
        wanted: &Wanted,
    ) -> Option<(Arc<Grant>, AccessToken)> {
        let now = self.clock.now();
        let shared = self.recent.get(key, now);
        let shared = shared.filter(|grant| wanted.accepts(&grant.access_token))?;
        let own = self.recent.get(own_key, now)?;
        Some((own, AccessToken::from(&*shared)))
    }

    /// The result of redeeming `refresh_token`: another request's, where a token is made
    /// from it, or a new one.
    async fn own(
        &self,
        refresh_token: &str,
        own_key: &str,
        wanted: &Wanted,
    ) -> Result<Arc<Grant>, TokenError> {
        let shared = self.recent.get(own_key, self.clock.now());
        if let Some(shared) = shared.filter(|_| wanted.token != UserToken::Own) {
            return Ok(shared);
        }
        let audience = wanted.token.made_from(wanted.audience);
        let grant = self.redeem(refresh_token, audience).await?;
        self.recent
            .put(own_key.to_owned(), grant.clone(), self.clock.now());
        Ok(grant)
    }

    /// A token of the kind `token`, made from the user's `own`.
    async fn make(
        &self,
        token: UserToken,
        own: &Grant,
        sub: &str,
        audience: &'static Audience,
    ) -> Result<Arc<Grant>, TokenError> {
        let making = self
            .credentials
            .make(token, &own.access_token, sub, audience);
        let grant = making.await.map_err(TokenError::Provider)?;
        if !is_for(&grant, audience) {
            return Err(TokenError::WrongAudience);
        }
        Ok(Arc::new(grant))
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
        let redeeming = redeem(&self.provider, refresh_token, audience, self.audience_by);
        let grant = redeeming.await?;
        if !is_for(&grant, audience) {
            return Err(TokenError::WrongAudience);
        }
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
        let used = |token: &str, audience, kind| self.get(&key(token, audience, kind), now);
        let redeemed = |audience| used(successor, audience, UserToken::Own).is_some();
        if successor != before && Audience::ALL.into_iter().any(redeemed) {
            return None;
        }
        for audience in Audience::ALL {
            for kind in UserToken::ALL {
                if let Some(grant) = used(before, audience, kind) {
                    renewal.beside(audience.uri, grant.expires_at);
                }
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
fn key(refresh_token: &str, audience: &Audience, token: UserToken) -> String {
    format!("{} {}", fingerprint(refresh_token), token.key(audience))
}
