//! Minting for a session that the browser carries whole (`stateless`). There is
//! no lease: each replica redeems what the cookie brings, once for each
//! audience, and shares what comes of it with all who bring the same. Two
//! redeems of one token are carried by the provider's grace, or by a client
//! whose refresh tokens do not rotate.
//!
//! A successor is never redeemed in place of what the cookie brought: answers
//! reach the browser in any order. And when one leaves whose refresh token was
//! redeemed again meanwhile, it leaves the browser the newer one. Across
//! replicas nobody knows; there the grace has to carry it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kit::{clock::Timestamp, seal::fingerprint};
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::Span;

use super::{Inner, PATIENCE, TokenError, Wanted, audience_of, undisturbed};
use crate::{
    audiences::Audience,
    provider::Grant,
    sessions::{AccessToken, Renewal},
};

/// For how long a result is shared: shorter than providers' grace for a refresh
/// token that comes again.
const SHARED: Duration = Duration::from_secs(20);
/// The most results that are shared.
const MAX_SHARED: usize = 10_000;

/// What was redeemed a moment ago, by refresh token and audience.
#[derive(Default)]
pub(super) struct Recent(Mutex<Shared>);

#[derive(Default)]
struct Shared {
    grants: HashMap<String, (Arc<Grant>, Timestamp)>,
    /// When what is over was last thrown away.
    swept: Timestamp,
}

/// What renews a session, and what came of using it.
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

    /// What renews the session from now on.
    pub(super) fn renewal(&self) -> Renewal {
        self.before.clone().after(self.audience.uri, &self.grant)
    }
}

impl Inner {
    /// An access token, by the refresh token that `renewal` holds.
    pub(super) async fn renew(
        self: Arc<Self>,
        renewal: Renewal,
        wanted: Wanted,
    ) -> Result<Renewed, TokenError> {
        let Some(refresh_token) = renewal.refresh_token.clone() else {
            return Err(TokenError::NoneToBeHad);
        };
        let audience = wanted.audience;
        let place = place(&refresh_token, audience);
        let asked = Instant::now();
        let deadline = asked + PATIENCE;
        let going = self.flights.go(&place, deadline).await;
        if going.as_ref().map_or(true, |going| going.waited) {
            self.waited("process", asked, deadline);
        }
        let mut going = going?;
        let shared = self.recent.get(&place, self.clock.now());
        let shared = shared.filter(|grant| wanted.not.as_ref() != Some(&grant.access_token));
        let grant = if let Some(grant) = shared {
            Span::current().record("sso.token_source", "shared");
            grant
        } else {
            let this = self.clone();
            let redeeming = async move {
                let outcome = this.redeem_carried(&refresh_token, &wanted).await;
                if let Ok(grant) = &outcome {
                    this.recent.put(place, grant.clone(), this.clock.now());
                }
                going.landed(&outcome);
                outcome
            };
            undisturbed(redeeming).await?
        };
        Ok(Renewed {
            before: renewal,
            audience,
            grant,
        })
    }

    async fn redeem_carried(
        &self,
        refresh_token: &str,
        wanted: &Wanted,
    ) -> Result<Arc<Grant>, TokenError> {
        let audience = wanted.audience.uri;
        let grant = self
            .provider
            .redeem_refresh(refresh_token, audience, self.settings.audience_by)
            .await?;
        let meant = audience_of(grant.access_token.token());
        if meant.is_some_and(|aud| !aud.contains(audience)) {
            return Err(TokenError::WrongAudience);
        }
        Span::current().record("sso.token_source", "minted");
        Ok(Arc::new(grant))
    }
}

impl Recent {
    /// What the browser should have after `renewed`, now that the answer leaves:
    /// nothing where the successor has been used already, for then a newer
    /// answer has brought a newer one. What was minted beside it is told too.
    pub(super) fn to_be_set(&self, renewed: &Renewed, now: Timestamp) -> Option<Renewal> {
        let mut renewal = renewed.renewal();
        let before = renewed.before.refresh_token.as_deref()?;
        let successor = renewal.refresh_token.as_deref()?;
        let used = |token: &str, audience| self.get(&place(token, audience), now);
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

    fn get(&self, place: &str, now: Timestamp) -> Option<Arc<Grant>> {
        let shared = self.0.lock();
        let (grant, until) = shared.grants.get(place)?;
        (now < *until).then(|| grant.clone())
    }

    fn put(&self, place: String, grant: Arc<Grant>, now: Timestamp) {
        let mut shared = self.0.lock();
        // Tokens are not kept longer than they are of use.
        if shared.swept + SHARED <= now {
            shared.swept = now;
            shared.grants.retain(|_, (_, until)| now < *until);
        }
        if shared.grants.len() < MAX_SHARED {
            shared.grants.insert(place, (grant, now + SHARED));
        }
    }
}

/// By which a result is found again. No bearer secret is in it.
fn place(refresh_token: &str, audience: &Audience) -> String {
    format!("{} {}", fingerprint(refresh_token), audience.uri)
}
