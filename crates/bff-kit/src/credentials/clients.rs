//! The clients that get a credential from the token endpoint.

use std::{sync::Arc, time::Duration};

use kit::clock::Clock;

use super::shared_token::SharedToken;
use crate::{
    audiences::{Audience, PerApi},
    client_auth::{ClientAuth, ClientKey},
    provider::{AsClient, AudienceBy, Grant, Provider, ProviderError},
};

/// A client of the app's own at the provider, which acts for the app and not for a user
/// who signed in.
pub(super) struct OwnClient {
    pub(super) provider: Arc<Provider>,
    pub(super) client_id: String,
    pub(super) auth: ClientAuth,
    pub(super) audience_by: AudienceBy,
    pub(super) clock: Arc<dyn Clock>,
    /// A token that ends this soon is replaced.
    pub(super) margin: Duration,
    pub(super) shared: PerApi<SharedToken>,
}

/// The app's machine identity: it signs assertions with its key.
pub(super) struct Machine {
    pub(super) own: OwnClient,
    pub(super) key: ClientKey,
}

/// A client that asks the token endpoint.
pub(super) struct Client<'a> {
    pub(super) provider: &'a Provider,
    pub(super) identity: AsClient<'a>,
    pub(super) audience_by: AudienceBy,
}

impl Client<'_> {
    /// An access token for `audience` by `grant`; `params` makes its own parameters anew
    /// for each request.
    pub(super) async fn request(
        self,
        grant: &'static str,
        audience: &Audience,
        params: impl Fn() -> Result<Vec<(&'static str, String)>, ProviderError>,
    ) -> Result<Grant, ProviderError> {
        let by = self.audience_by.params(audience.uri);
        let all = || -> Result<Vec<_>, ProviderError> { Ok([by.clone(), params()?].concat()) };
        self.provider.request_token(self.identity, grant, all).await
    }
}

impl OwnClient {
    pub(super) fn at_provider(&self) -> Client<'_> {
        Client {
            provider: &self.provider,
            identity: AsClient {
                id: &self.client_id,
                auth: &self.auth,
            },
            audience_by: self.audience_by,
        }
    }
}

/// The id of the machine identity of the app `client_id`.
pub fn machine_client_id(client_id: &str) -> String {
    format!("{client_id}-machine")
}
