//! An access token that all sessions share, for one API. It is in this process alone.

use std::time::Duration;

use kit::clock::Timestamp;
use parking_lot::Mutex;

use crate::{
    bearer::Bearer,
    provider::{Grant, ProviderError},
};

/// A client's token for one API.
#[derive(Default)]
pub(super) struct SharedToken {
    cached: Mutex<Option<CachedToken>>,
    /// How the last fetch failed, if it did: those that waited for it share that.
    pub(super) fetching: tokio::sync::Mutex<Option<ProviderError>>,
}

struct CachedToken {
    token: Bearer,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

impl SharedToken {
    /// The token, unless it ends within `margin` or is the `rejected` one.
    pub(super) fn get(
        &self,
        now: Timestamp,
        margin: Duration,
        rejected: Option<&Bearer>,
    ) -> Option<Bearer> {
        let cached = self.cached.lock();
        let cached = cached.as_ref()?;
        // A token of a few seconds would be fetched at each call otherwise.
        let tenth = cached.issued_at.until(cached.expires_at) / 10;
        let lives = now + margin.min(tenth) < cached.expires_at;
        (lives && rejected != Some(&cached.token)).then(|| cached.token.clone())
    }

    /// Replaces the token by that of `grant`, and returns the new one.
    pub(super) fn put(&self, grant: Grant) -> Bearer {
        let token = grant.access_token.clone();
        *self.cached.lock() = Some(CachedToken {
            token: grant.access_token,
            issued_at: grant.issued_at,
            expires_at: grant.expires_at,
        });
        token
    }
}
