//! The logout tokens that have been used: each counts once (OIDC Back-Channel
//! Logout 1.0 §2.6).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kit::seal::fingerprint;
use store::{StoreError, Values};

use crate::provider::LogoutToken;

/// Those of one app.
pub(crate) struct UsedLogoutTokens {
    store: Arc<dyn Values>,
    client_id: &'static str,
}

impl UsedLogoutTokens {
    /// Those sent to `client_id`.
    pub(crate) const fn new(store: Arc<dyn Values>, client_id: &'static str) -> Self {
        Self { store, client_id }
    }

    /// Whether `token` has been used.
    pub(crate) async fn has(&self, token: &LogoutToken) -> Result<bool, StoreError> {
        let mark = self.store.get(&self.key(token)).await?;
        Ok(mark.is_some())
    }

    /// Marks `token` as used for `ttl`; `false` where another request has done so.
    pub(crate) async fn add(&self, token: &LogoutToken, ttl: Duration) -> Result<bool, StoreError> {
        let mark = Bytes::from_static(b"used");
        self.store.put_new(&self.key(token), mark, ttl).await
    }

    fn key(&self, token: &LogoutToken) -> String {
        let hash = fingerprint(&token.jti);
        format!("bff:{}:logout-token:{hash}", self.client_id)
    }
}
