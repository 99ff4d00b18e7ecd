//! `client_credentials` (RFC 6749 §4.4): an access token of a client of the app's own,
//! without a user. All sessions share it, so it is in this process alone: until it is
//! about to end, or an API refuses it. One request at a time gets a new one.

use kit::{clock::Timestamp, telemetry::names::span};
use oauth_types::names::grant;
use parking_lot::Mutex;
use tracing::{Instrument as _, field::Empty};

use super::clients::OwnClient;
use crate::{
    audiences::Audience,
    bearer::Bearer,
    provider::{Grant, ProviderError},
};

/// The client's token for one API.
#[derive(Default)]
pub(super) struct SharedToken {
    cached: Mutex<Option<CachedToken>>,
    /// How the last fetch failed, if it did: those that waited for it share that.
    fetching: tokio::sync::Mutex<Option<ProviderError>>,
}

struct CachedToken {
    token: Bearer,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

impl SharedToken {
    /// The token, unless it is about to end or `rejected`.
    fn get(&self, client: &OwnClient, rejected: Option<&Bearer>) -> Option<Bearer> {
        let cached = self.cached.lock();
        let cached = cached.as_ref()?;
        // A token of a few seconds would be fetched at each call otherwise.
        let tenth = cached.issued_at.until(cached.expires_at) / 10;
        let margin = client.margin.min(tenth);
        let lives = client.clock.now() + margin < cached.expires_at;
        (lives && rejected != Some(&cached.token)).then(|| cached.token.clone())
    }
}

impl OwnClient {
    /// The shared token for `audience`, another one than `rejected`.
    pub(super) async fn shared_token(
        &self,
        audience: &'static Audience,
        rejected: Option<&Bearer>,
    ) -> Result<Bearer, ProviderError> {
        let shared = self.shared.of(audience);
        if let Some(token) = shared.get(self, rejected) {
            return Ok(token);
        }
        let mut last = if let Ok(mut last) = shared.fetching.try_lock() {
            *last = None;
            last
        } else {
            let last = shared.fetching.lock().await;
            if let Some(error) = &*last {
                return Err(error.clone());
            }
            last
        };
        if let Some(token) = shared.get(self, rejected) {
            return Ok(token);
        }
        // Boxed, so that a call that finds the token needs no room for this future.
        let fetched = Box::pin(self.fetch(audience)).await;
        *last = fetched.as_ref().err().cloned();
        let grant = fetched?;
        let token = grant.access_token.clone();
        *shared.cached.lock() = Some(CachedToken {
            token: grant.access_token,
            issued_at: grant.issued_at,
            expires_at: grant.expires_at,
        });
        Ok(token)
    }

    async fn fetch(&self, audience: &Audience) -> Result<Grant, ProviderError> {
        let span = kit::step!(
            span::CLIENT_CREDENTIALS,
            "sso.audience" = audience.uri,
            "sso.grant" = grant::CLIENT_CREDENTIALS,
            "sso.client_id" = self.client_id.as_str(),
            "sso.outcome" = Empty
        );
        self.at_provider()
            .request(grant::CLIENT_CREDENTIALS, audience, || Ok(Vec::new()))
            .instrument(span)
            .await
    }
}
