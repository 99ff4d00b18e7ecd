//! The tokens of a session that has ended: its refresh token is revoked, and the
//! access tokens that browsers have stay valid until they expire.

use std::sync::Arc;

use kit::{clock::Timestamp, telemetry::context::in_current_trace};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{audiences::Audience, provider::Provider, sessions::Ended};

/// An access token that outlives its session.
#[derive(Serialize, ToSchema)]
pub(crate) struct StillValid {
    /// For which API.
    audience: String,
    /// Until when, in seconds since the epoch.
    until: i64,
}

/// The access tokens that outlive `ended`.
pub(crate) fn still_valid(ended: &Ended) -> Vec<StillValid> {
    let tokens = ended.still_good.iter();
    tokens
        .map(|(audience, until)| StillValid {
            audience: audience.clone(),
            until: until.secs(),
        })
        .collect()
}

/// Those of the sessions that a browser has ended.
pub(crate) fn of_ended(tokens: &[(&Audience, Timestamp)]) -> Vec<StillValid> {
    let tokens = tokens.iter();
    tokens
        .map(|(audience, until)| StillValid {
            audience: audience.uri.to_owned(),
            until: until.secs(),
        })
        .collect()
}

/// Starts to revoke the refresh token of `ended` in a task of its own, so that a
/// browser that goes away cannot stop it. The caller may wait for the future or drop
/// it; a failure is only logged, for the session has ended already.
pub(crate) fn revoke(provider: &Arc<Provider>, ended: &Ended) -> impl Future<Output = ()> + use<> {
    let refresh_token = ended.refresh_token.clone();
    let provider = provider.clone();
    let revoking = tokio::spawn(in_current_trace(async move {
        let Some(refresh_token) = refresh_token else {
            return;
        };
        if let Err(error) = provider.revoke(&refresh_token).await {
            tracing::warn!("an ended session's refresh token was not revoked: {error}");
        }
    }));
    async move {
        // It fails only where the task panicked, which is logged as such.
        let _ = revoking.await;
    }
}
