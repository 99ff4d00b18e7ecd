//! What is left of a session that has ended: a refresh token, which is revoked,
//! and access tokens that browsers have, which nobody can call back.

use kit::{clock::Timestamp, telemetry::place::in_place};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{audiences::Audience, sessions::Ended, state::Bff};

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

/// Those that the marker of a signed-out browser tells of.
pub(crate) fn in_marker(told: &[(&Audience, Timestamp)]) -> Vec<StillValid> {
    let told = told.iter();
    told.map(|(audience, until)| StillValid {
        audience: audience.uri.to_owned(),
        until: until.secs(),
    })
    .collect()
}

/// Begins to revoke the refresh token of `ended`, in a task of its own: a browser
/// that goes away must not leave it good. Wait for it, or let it go; a failure
/// is logged and nothing else, for the session has ended already.
pub(crate) fn revoke(bff: &Bff, ended: &Ended) -> impl Future<Output = ()> + use<> {
    let refresh_token = ended.refresh_token.clone();
    let provider = bff.provider.clone();
    let revoking = tokio::spawn(in_place(async move {
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
