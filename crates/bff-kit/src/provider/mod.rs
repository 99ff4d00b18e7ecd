//! The OpenID Provider as the app sees it: discovery, keys, its endpoints.

mod backchannel;
mod call;
mod end_session;
mod error;
mod grants;
mod id_token;
mod logout_token;
mod metadata;
mod par;
mod revoke;
mod signed;
mod token;
mod types;

use std::{sync::Arc, time::Duration};

use kit::{
    Deps,
    clock::{Clock, Timestamp},
    random::Random,
};
use oauth_types::{BadMember, ErrorCode};
use openidconnect::{
    AuthType, ClientId, ClientSecret, IssuerUrl, JsonWebKeySetUrl, RedirectUrl, TokenUrl,
    core::CoreJsonWebKeySet,
};
use parking_lot::RwLock;
use secrecy::ExposeSecret as _;
use token_verify::Issuer;
use tokio::sync::Mutex;

use self::{backchannel::Backchannel, metadata::Metadata, types::OidcClient};
use crate::{client_auth::ClientAuth, meters::Meters};

pub(crate) use error::{ProviderError, note};
pub(crate) use grants::UserGrant;
pub(crate) use id_token::{Expected, Identity};
pub(crate) use logout_token::{BadLogoutToken, LogoutToken, Subject};
pub use token::AudienceBy;
pub(crate) use token::Grant;

/// How long to wait after asking for new keys before asking again: a stranger
/// who makes up key ids must not make us ask the provider each time.
const COOLDOWN: Duration = Duration::from_secs(30);

/// What the app needs to be told about the provider.
pub(crate) struct ProviderSettings {
    /// The issuer, and where to reach it.
    pub(crate) issuer: Issuer,
    /// Which client we are.
    pub(crate) client_id: String,
    /// How we prove it.
    pub(crate) auth: ClientAuth,
    /// Where logins come back to.
    pub(crate) redirect_uri: String,
}

/// The provider, and us as its client.
pub(crate) struct Provider {
    settings: ProviderSettings,
    backchannel: Backchannel,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    meters: Meters,
    known: RwLock<Option<Arc<Known>>>,
    /// When keys were last asked for anew; held while somebody asks.
    asking: Mutex<Option<Timestamp>>,
}

/// What discovery told, and the client made from it.
pub(crate) struct Known {
    pub(crate) metadata: Metadata,
    keys: CoreJsonWebKeySet,
    client: OidcClient,
}

/// What `read` of `answer` gave; one that is odd counts as left out. That is for
/// members that the app can do without.
fn odd<T>(answer: &str, read: Result<Option<T>, BadMember>) -> Option<T> {
    read.unwrap_or_else(|bad| {
        tracing::warn!("{answer} of the identity provider: {bad}; it counts as left out");
        None
    })
}

impl Provider {
    pub(crate) fn new(settings: ProviderSettings, deps: &Deps, meters: Meters) -> Self {
        Self {
            backchannel: Backchannel::new(settings.issuer.clone()),
            settings,
            clock: deps.clock.clone(),
            random: deps.random.clone(),
            meters,
            known: RwLock::new(None),
            asking: Mutex::new(None),
        }
    }

    /// The issuer, exactly.
    pub(crate) fn issuer(&self) -> &str {
        self.settings.issuer.name()
    }

    /// Which client we are.
    pub(crate) fn client_id(&self) -> &str {
        &self.settings.client_id
    }

    /// What discovery told; asks for it where nobody has yet.
    pub(crate) async fn known(&self) -> Result<Arc<Known>, ProviderError> {
        if let Some(known) = self.known.read().clone() {
            return Ok(known);
        }
        let _asking = self.asking.lock().await;
        if let Some(known) = self.known.read().clone() {
            return Ok(known);
        }
        self.discover().await
    }

    /// Keys newer than those of `seen`, which lack one. What is known stays
    /// where the provider does not answer, or was asked a moment ago.
    async fn newer_than(&self, seen: &Arc<Known>) -> Result<Arc<Known>, ProviderError> {
        let mut asked = self.asking.lock().await;
        let now = self.clock.now();
        let current = self.known.read().clone();
        let fresh = current.filter(|current| !Arc::ptr_eq(current, seen));
        let too_soon = asked.is_some_and(|at| now < at + COOLDOWN);
        match fresh {
            Some(fresh) => Ok(fresh),
            None if too_soon => Ok(seen.clone()),
            None => {
                *asked = Some(now);
                self.discover().await
            }
        }
    }

    async fn discover(&self) -> Result<Arc<Known>, ProviderError> {
        let discovering = self.discover_now().await;
        self.logged("discovery", discovering)
    }

    async fn discover_now(&self) -> Result<Arc<Known>, ProviderError> {
        let invalid =
            |error: &dyn std::fmt::Display| ProviderError::Invalid(format!("discovery: {error}"));
        let metadata = self.ask_for_metadata().await?;
        let issuer = IssuerUrl::new(self.issuer().to_owned()).map_err(|e| invalid(&e))?;
        let jwks_uri = JsonWebKeySetUrl::new(metadata.jwks_uri.clone());
        let jwks_uri = jwks_uri.map_err(|e| invalid(&e))?;
        let keys = CoreJsonWebKeySet::fetch_async(&jwks_uri, &self.backchannel).await?;
        let token_endpoint = TokenUrl::new(metadata.token_endpoint.clone());
        let token_endpoint = token_endpoint.map_err(|e| invalid(&e))?;
        let redirect_uri =
            RedirectUrl::new(self.settings.redirect_uri.clone()).map_err(|e| invalid(&e))?;
        let secret = self.settings.auth.secret();
        let secret = secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        let auth_type = if secret.is_some() {
            AuthType::BasicAuth
        } else {
            AuthType::RequestBody
        };
        let client_id = ClientId::new(self.settings.client_id.clone());
        let mut client = openidconnect::Client::new(client_id, issuer, keys.clone());
        if let Some(secret) = secret {
            client = client.set_client_secret(secret);
        }
        let client = client
            .set_token_uri(token_endpoint)
            .set_auth_type(auth_type)
            .set_redirect_uri(redirect_uri);
        let known = Arc::new(Known {
            metadata,
            keys,
            client,
        });
        *self.known.write() = Some(known.clone());
        Ok(known)
    }

    /// Tells the log that `call` failed: with the OAuth error, as which client, and
    /// (as each line of a request does) in which trace.
    fn logged<T>(
        &self,
        call: &'static str,
        answer: Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        if let Err(error) = &answer {
            let (client, code) = (self.client_id(), error.outcome());
            // Also how a session ends that was ended at the provider.
            if error.is_refused_as(ErrorCode::InvalidGrant) {
                tracing::info!(call, client, error = code, "the identity provider: {error}");
            } else {
                tracing::warn!(call, client, error = code, "the identity provider: {error}");
            }
        }
        answer
    }

    /// What authenticates us in a call's body.
    fn auth_params(&self) -> Result<Vec<(&'static str, String)>, ProviderError> {
        let ProviderSettings {
            auth, client_id, ..
        } = &self.settings;
        auth.params(client_id, self.issuer(), &*self.clock, &*self.random)
            .map_err(|error| {
                ProviderError::Invalid(format!("the assertion cannot be signed: {error}"))
            })
    }
}
