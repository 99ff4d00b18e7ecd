//! `jwt_bearer` (RFC 7523 §2.1): the app's machine identity signs an assertion that names
//! the user, and gets an access token for this user. The provider's configuration lists
//! the users whom it may name.

use kit::telemetry::names::span;
use oauth_types::names::grant;
use tracing::{Instrument as _, field::Empty};

use super::clients::{Machine, OwnClient};
use crate::{
    audiences::Audience,
    provider::{Grant, ProviderError},
};

impl Machine {
    /// A token for the user `sub` at `audience`.
    pub(super) async fn assert(
        &self,
        sub: &str,
        audience: &Audience,
    ) -> Result<Grant, ProviderError> {
        let span = kit::step!(
            span::JWT_BEARER,
            "sso.audience" = audience.uri,
            "sso.grant" = grant::JWT_BEARER,
            "sso.client_id" = self.own.client_id.as_str(),
            "sso.outcome" = Empty
        );
        // Each one counts once, so a request that is sent again brings another.
        let params = || -> Result<_, ProviderError> {
            let OwnClient {
                provider,
                client_id,
                ..
            } = &self.own;
            let assertion = provider.assertion(&self.key, client_id, sub)?;
            Ok(vec![("assertion", assertion)])
        };
        self.own
            .at_provider()
            .request(grant::JWT_BEARER, audience, params)
            .instrument(span)
            .await
    }
}
