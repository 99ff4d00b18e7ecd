//! Token revocation (RFC 7009).

use std::time::Duration;

use http::StatusCode;
use kit::telemetry::names::span;
use tokio::time::timeout;
use tracing::{Instrument as _, field::Empty};

use super::{Provider, ProviderError, record_outcome};

/// How long a logout waits for a revocation.
const PATIENCE: Duration = Duration::from_secs(2);

impl Provider {
    /// Revokes `refresh_token` (RFC 7009 §2.1).
    pub(crate) async fn revoke(&self, refresh_token: &str) -> Result<(), ProviderError> {
        let span = kit::step!(span::REVOKE, "sso.outcome" = Empty);
        let late = |_| ProviderError::Unavailable {
            why: format!("no answer to a revocation within {PATIENCE:?}"),
            retry_after: 1,
        };
        let revoking = async {
            let revoked = timeout(PATIENCE, self.revoke_now(refresh_token)).await;
            record_outcome(revoked.map_err(late).flatten())
        };
        revoking.instrument(span).await
    }

    async fn revoke_now(&self, refresh_token: &str) -> Result<(), ProviderError> {
        let discovery = self.discovery().await?;
        let endpoint = &discovery.metadata.revocation_endpoint;
        let endpoint = endpoint.as_deref().ok_or_else(|| {
            ProviderError::Invalid("its metadata names no endpoint to revoke tokens at".to_owned())
        })?;
        let params = [
            ("token", refresh_token),
            ("token_type_hint", "refresh_token"),
        ];
        // RFC 7009 §2.2: an unknown token gets the same response.
        self.post("revocation", endpoint, &params, StatusCode::OK)
            .await?;
        Ok(())
    }
}
