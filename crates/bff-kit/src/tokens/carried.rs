//! Minting for a session that the browser carries whole (`stateless`). There is
//! no lease: each replica redeems what the cookie brings, once for each
//! audience, and shares what comes of it with all who bring the same. Two
//! redeems of one token are carried by the provider's grace, or by a client
//! whose refresh tokens do not rotate.
//!
//! A successor is never redeemed in place of what the cookie brought: answers
//! reach the browser in any order, and the last one must leave it the newest.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kit::{clock::Timestamp, seal::fingerprint};
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::Span;

use super::{Inner, PATIENCE, TokenError, Wanted, audience_of, undisturbed};
use crate::{
    provider::Grant,
    sessions::{AccessToken, Minted, Renewal},
};

/// For how long a result is shared: shorter than providers' grace for a refresh
/// token that comes again.
const SHARED: Duration = Duration::from_secs(20);
/// The most results that are shared.
const MAX_SHARED: usize = 10_000;

/// What was redeemed a moment ago.
#[derive(Default)]
pub(super) struct Recent(Mutex<HashMap<String, (Arc<Grant>, Timestamp)>>);

impl Inner {
    /// An access token, by the refresh token that `renewal` holds.
    pub(super) async fn renew(
        self: Arc<Self>,
        renewal: Renewal,
        wanted: Wanted,
    ) -> Result<Minted, TokenError> {
        let Some(refresh_token) = renewal.refresh_token.clone() else {
            return Err(TokenError::NoneToBeHad);
        };
        let audience = wanted.audience;
        let place = format!("{} {}", fingerprint(&refresh_token), audience.uri);
        let mut going = self.flights.go(&place, Instant::now() + PATIENCE).await?;
        let shared = self.recent.get(&place, self.clock.now());
        let shared = shared.filter(|grant| wanted.not.as_ref() != Some(&grant.access_token));
        let grant = match shared {
            Some(grant) => {
                Span::current().record("sso.token_source", "shared");
                grant
            }
            None => {
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
            }
        };
        Ok(Minted {
            audience,
            token: AccessToken::from(&*grant),
            renewal: Some(renewal.after(audience.uri, &grant)),
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
    fn get(&self, place: &str, now: Timestamp) -> Option<Arc<Grant>> {
        let recent = self.0.lock();
        let (grant, until) = recent.get(place)?;
        (now < *until).then(|| grant.clone())
    }

    fn put(&self, place: String, grant: Arc<Grant>, now: Timestamp) {
        let mut recent = self.0.lock();
        if recent.len() >= MAX_SHARED {
            recent.retain(|_, (_, until)| now < *until);
        }
        if recent.len() < MAX_SHARED {
            recent.insert(place, (grant, now + SHARED));
        }
    }
}
