//! `client_credentials` (RFC 6749 §4.4): an access token of a client of the app's own,
//! without a user. All sessions share it, so it is in this process alone: until it is
//! about to end, or an API refuses it. One request at a time gets a new one.

use kit::telemetry::names::span;
use oauth_types::names::grant;
use tracing::{Instrument as _, field::Empty};

use super::clients::OwnClient;
use crate::{
    audiences::Audience,
    bearer::Bearer,
    provider::{Grant, ProviderError},
};

impl OwnClient {
    /// The shared token for `audience`, another one than `rejected`.
    pub(super) async fn shared_token(
        &self,
        audience: &'static Audience,
        rejected: Option<&Bearer>,
    ) -> Result<Bearer, ProviderError> {
        let shared = self.shared.of(audience);
        let cached = || shared.get(self.clock.now(), self.margin, rejected);
        if let Some(token) = cached() {
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
        if let Some(token) = cached() {
            return Ok(token);
        }
        // Boxed, so that a call that finds the token needs no room for this future.
        let fetched = Box::pin(self.fetch(audience)).await;
        *last = fetched.as_ref().err().cloned();
        let grant = fetched?;
        Ok(shared.put(grant))
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
