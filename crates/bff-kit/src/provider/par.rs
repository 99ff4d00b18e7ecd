//! Pushed authorization requests (RFC 9126).

use std::time::Duration;

use http::StatusCode;
use kit::telemetry::names::span;
use oauth_types::Members;
use tracing::{Instrument as _, field::Empty};

use super::{Provider, ProviderError, record_outcome};

/// The maximum length of a `request_uri` in bytes.
const MAX_REQUEST_URI: usize = 1024;

/// A request that the provider holds (RFC 9126 §2.2).
pub(crate) struct PushedRequest {
    pub(crate) request_uri: String,
    /// How long it is valid, if the provider says it.
    pub(crate) expires_in: Option<Duration>,
}

impl Provider {
    /// Pushes an authorization request.
    pub(crate) async fn push(
        &self,
        params: &[(&'static str, String)],
    ) -> Result<PushedRequest, ProviderError> {
        let span = kit::step!(span::PAR_PUSH, "sso.outcome" = Empty);
        let pushing = async { record_outcome(self.push_now(params).await) };
        pushing.instrument(span).await
    }

    async fn push_now(
        &self,
        params: &[(&'static str, String)],
    ) -> Result<PushedRequest, ProviderError> {
        let invalid = |why: &str| ProviderError::Invalid(format!("pushing: {why}"));
        let discovery = self.discovery().await?;
        let endpoint = discovery
            .metadata
            .pushed_authorization_request_endpoint
            .as_ref();
        let endpoint = endpoint
            .ok_or_else(|| invalid("its metadata names no endpoint for pushed requests"))?;
        let params: Vec<_> = params
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let pushing = self.post("pushed request", endpoint, &params, StatusCode::CREATED);
        let answer = pushing.await?;
        let pushed = Members::read(answer.body()).map_err(|e| invalid(&e.to_string()))?;
        let request_uri = pushed.needed("request_uri");
        let request_uri = request_uri.map_err(|e| invalid(&e.to_string()))?;
        if request_uri.len() > MAX_REQUEST_URI {
            return Err(invalid("the request_uri is too long"));
        }
        let expires_in = pushed.seconds("expires_in").ok().flatten();
        Ok(PushedRequest {
            request_uri: request_uri.to_owned(),
            expires_in: expires_in
                .and_then(|secs| u64::try_from(secs).ok())
                .map(Duration::from_secs),
        })
    }
}
