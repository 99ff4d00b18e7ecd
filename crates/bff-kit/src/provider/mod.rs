//! The OpenID Provider as the app sees it: discovery, keys, its endpoints.

mod call;
mod end_session;
mod error;
mod grants;
mod id_token;
mod logout_token;
mod metadata;
mod par;
mod proving;
mod request_token;
mod revoke;
mod signed;
mod token;
mod types;

use std::sync::Arc;

use kit::{Deps, clock::Clock, config::Weaknesses, lab_control::Control, random::Random};
use oauth_types::{BadMember, ErrorCode};
use oidc_http::Backchannel;
use openidconnect::{
    AuthType, ClientId, ClientSecret, IssuerUrl, RedirectUrl, TokenUrl, core::CoreJsonWebKeySet,
};
use secrecy::ExposeSecret as _;
use token_verify::{Issuer, Jwks};
use tokio::sync::OnceCell;

use self::{metadata::Metadata, types::OidcClient};
use crate::{client_auth::ClientAuth, meters::Meters, prover::Prover};

pub(crate) use call::AsClient;
pub(crate) use error::{ProviderError, record_outcome};
pub(crate) use grants::UserGrant;
pub(crate) use id_token::{Expected, Identity};
pub(crate) use logout_token::{BadLogoutToken, LogoutToken, Subject};
pub use token::AudienceBy;
pub(crate) use token::Grant;

/// The app's registration at the provider.
pub(crate) struct ProviderSettings {
    /// The issuer and its address.
    pub(crate) issuer: Issuer,
    /// The app's client_id.
    pub(crate) client_id: String,
    /// How the app authenticates.
    pub(crate) auth: ClientAuth,
    /// The redirect URI of logins.
    pub(crate) redirect_uri: String,
}

/// The provider, with the app as its client.
pub(crate) struct Provider {
    settings: ProviderSettings,
    backchannel: Backchannel,
    prover: Option<Prover>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    meters: Meters,
    /// The provider's keys.
    jwks: Arc<Jwks>,
    discovery: OnceCell<Discovery>,
    weaknesses: Weaknesses,
    /// Who it is in telemetry.
    party: &'static str,
}

/// The result of discovery, and the client made from it.
pub(crate) struct Discovery {
    pub(crate) metadata: Metadata,
    client: OidcClient,
}

/// A member of `answer` that the app can do without: one that cannot be read counts as
/// missing.
fn optional<T>(answer: &str, read: Result<Option<T>, BadMember>) -> Option<T> {
    read.unwrap_or_else(|bad| {
        tracing::warn!("{answer} of the identity provider: {bad}; it counts as missing");
        None
    })
}

impl Provider {
    pub(crate) fn new(settings: ProviderSettings, deps: &Deps, meters: Meters) -> Self {
        Self {
            backchannel: Backchannel::new(settings.issuer.clone()),
            jwks: settings.issuer.clone().jwks(deps.clock.clone()),
            settings,
            prover: None,
            clock: deps.clock.clone(),
            random: deps.random.clone(),
            meters,
            discovery: OnceCell::new(),
            weaknesses: Weaknesses::default(),
            party: "idp",
        }
    }

    /// Gets tokens that are bound to the key of `prover`.
    #[must_use]
    pub(crate) fn proving(self, prover: Option<Prover>) -> Self {
        Self { prover, ..self }
    }

    /// In a lab: `control` remembers the failures that the provider names in its answers.
    #[must_use]
    pub(crate) fn noting_failures_in(self, control: Option<Arc<Control>>) -> Self {
        let backchannel = self.backchannel.noting_failures_in(control);
        Self {
            backchannel,
            ..self
        }
    }

    /// Has the name `party` in telemetry.
    #[must_use]
    pub(crate) fn known_as(self, party: &'static str) -> Self {
        Self { party, ..self }
    }

    /// Lets pass what a lab has switched off.
    #[must_use]
    pub(crate) fn weakened(self, weaknesses: Weaknesses) -> Self {
        Self { weaknesses, ..self }
    }

    /// What proves possession of the app's key, if its tokens are bound to one.
    pub(crate) const fn prover(&self) -> Option<&Prover> {
        self.prover.as_ref()
    }

    /// The issuer's identifier, exactly as the provider spells it.
    pub(crate) fn issuer(&self) -> &str {
        self.settings.issuer.name()
    }

    /// The app's client_id.
    pub(crate) fn client_id(&self) -> &str {
        &self.settings.client_id
    }

    /// The cache of the provider's keys.
    pub(crate) const fn jwks(&self) -> &Arc<Jwks> {
        &self.jwks
    }

    /// The result of discovery. The first call fetches it.
    pub(crate) async fn discovery(&self) -> Result<&Discovery, ProviderError> {
        let discovering =
            || async { Self::logged(self.client_id(), "discovery", self.discover().await) };
        self.discovery.get_or_try_init(discovering).await
    }

    async fn discover(&self) -> Result<Discovery, ProviderError> {
        let metadata = self.ask_for_metadata().await?;
        self.jwks.refresh().await?;
        let client = self.client(&metadata.token_endpoint);
        let client = client.map_err(|error| ProviderError::Invalid(format!("discovery: {error}")));
        Ok(Discovery {
            client: client?,
            metadata,
        })
    }

    fn client(&self, token_endpoint: &str) -> Result<OidcClient, url::ParseError> {
        let settings = &self.settings;
        let client_id = ClientId::new(settings.client_id.clone());
        let issuer = IssuerUrl::new(self.issuer().to_owned())?;
        // It checks no signature: `signed` does.
        let no_keys = CoreJsonWebKeySet::default();
        let client = openidconnect::Client::new(client_id, issuer, no_keys);
        let client = match settings.auth.secret() {
            Some(secret) => client
                .set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()))
                .set_auth_type(AuthType::BasicAuth),
            None => client.set_auth_type(AuthType::RequestBody),
        };
        Ok(client
            .set_token_uri(TokenUrl::new(token_endpoint.to_owned())?)
            .set_redirect_uri(RedirectUrl::new(settings.redirect_uri.clone())?))
    }

    /// The app itself, as a client.
    pub(crate) fn own_client(&self) -> AsClient<'_> {
        AsClient {
            id: &self.settings.client_id,
            auth: &self.settings.auth,
        }
    }

    /// Logs a failed `call` of `client`, with the OAuth error.
    fn logged<T>(
        client: &str,
        call: &'static str,
        answer: Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        if let Err(error) = &answer {
            let code = error.outcome();
            // Expected: the session was ended at the provider.
            if error.is_refused_as(ErrorCode::InvalidGrant) {
                tracing::info!(call, client, error = code, "the identity provider: {error}");
            } else {
                tracing::warn!(call, client, error = code, "the identity provider: {error}");
            }
        }
        answer
    }

    /// The parameters that authenticate `client` in a request's body.
    fn auth_params(
        &self,
        client: AsClient<'_>,
    ) -> Result<Vec<(&'static str, String)>, ProviderError> {
        let AsClient { id, auth } = client;
        auth.params(id, self.issuer(), &*self.clock, &*self.random)
            .map_err(|error| {
                ProviderError::Invalid(format!("the assertion cannot be signed: {error}"))
            })
    }
}
