//! How an app gets the credential that its calls to an API bring: one setting for each
//! API, and a file here for each method. docs/credentials.md compares the methods.
//!
//! A user's token is kept with the session, in the session's place, and renewed by its
//! rules. `sessions` asks here for a new one and does not know how it is made; `proxy`
//! puts the credential on the call.

mod api_key;
mod client_credentials;
mod credential;
mod identity_header;
mod jwt_bearer;
mod method;
mod mtls;
pub(crate) mod refresh;
mod token_exchange;
mod user_token;

use std::{sync::Arc, time::Duration};

use kit::clock::Clock;
use oauth_types::claims::AccessToken;

use self::client_credentials::SharedToken;
pub(crate) use self::{
    api_key::ApiKey, credential::Credential, identity_header::alternative_names, method::Origin,
    user_token::UserToken,
};
pub use self::{identity_header::spiffe_id, method::CredentialMethod, mtls::mtls_client_id};
use crate::{
    audiences::{Audience, PerApi},
    bearer::Bearer,
    client_auth::{ClientAuth, ClientKey, MtlsPeers},
    provider::{AsClient, AudienceBy, Grant, Provider, ProviderError},
};

/// What a login has chosen for its session; `None`: what the app is set to.
pub(crate) type Chosen = PerApi<Option<CredentialMethod>>;

/// What a deployment can set.
#[derive(Clone, Debug)]
pub(crate) struct CredentialSettings {
    /// The method for each API.
    pub(crate) methods: PerApi<CredentialMethod>,
    /// Whether a login may choose another one for its session.
    pub(crate) choice: bool,
    /// The key of the app's machine identity, where a method needs it.
    pub(crate) machine_key: Option<ClientKey>,
    /// The app's certificate and the ports that ask for it, if it has one.
    pub(crate) mtls: Option<MtlsPeers>,
    /// The app's API key for API-1, if it has one.
    pub(crate) api_key: Option<ApiKey>,
}

/// The methods of an app.
pub(crate) struct Credentials {
    methods: PerApi<CredentialMethod>,
    choice: bool,
    provider: Arc<Provider>,
    audience_by: AudienceBy,
    machine: Option<Machine>,
    by_certificate: Option<OwnClient>,
    api_key: Option<ApiKey>,
}

/// A client of the app's own at the provider, which acts for the app and not for a user
/// who signed in.
struct OwnClient {
    provider: Arc<Provider>,
    client_id: String,
    auth: ClientAuth,
    audience_by: AudienceBy,
    clock: Arc<dyn Clock>,
    /// A token that ends this soon is replaced.
    margin: Duration,
    shared: PerApi<SharedToken>,
}

/// The app's machine identity: it signs assertions with its key.
struct Machine {
    own: OwnClient,
    key: ClientKey,
}

/// A client that asks the token endpoint.
struct Client<'a> {
    provider: &'a Provider,
    identity: AsClient<'a>,
    audience_by: AudienceBy,
}

/// The id of the machine identity of the app `client_id`.
pub fn machine_client_id(client_id: &str) -> String {
    format!("{client_id}-machine")
}

impl Client<'_> {
    /// An access token for `audience` by `grant`; `params` makes its own parameters anew
    /// for each request.
    async fn request(
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
    fn at_provider(&self) -> Client<'_> {
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

impl Credentials {
    /// `margin`: a token that ends this soon is replaced.
    pub(crate) fn new(
        settings: CredentialSettings,
        provider: &Arc<Provider>,
        audience_by: AudienceBy,
        (clock, margin): (&Arc<dyn Clock>, Duration),
    ) -> Self {
        let own = |client_id, auth| OwnClient {
            provider: provider.clone(),
            client_id,
            auth,
            audience_by,
            clock: clock.clone(),
            margin,
            shared: PerApi::default(),
        };
        let app = provider.client_id();
        let machine = settings.machine_key.map(|key| Machine {
            own: own(
                machine_client_id(app),
                ClientAuth::PrivateKeyJwt(key.clone()),
            ),
            key,
        });
        let by_certificate = settings.mtls.map(|peers| {
            let auth = ClientAuth::Certificate(peers.client());
            own(mtls_client_id(app), auth)
        });
        Self {
            methods: settings.methods,
            choice: settings.choice,
            provider: provider.clone(),
            audience_by,
            machine,
            by_certificate,
            api_key: settings.api_key,
        }
    }

    /// Whether a session can use `method` for `audience`.
    pub(crate) fn has(&self, method: CredentialMethod, audience: &'static Audience) -> bool {
        let is_there = match method {
            CredentialMethod::Refresh | CredentialMethod::TokenExchange => true,
            CredentialMethod::ClientCredentials | CredentialMethod::JwtBearer => {
                self.machine.is_some()
            }
            CredentialMethod::Mtls | CredentialMethod::IdentityHeader => {
                self.by_certificate.is_some()
            }
            CredentialMethod::ApiKey => self.api_key.is_some(),
        };
        is_there && method.suits(audience)
    }

    /// The methods that a session can use for `audience`.
    pub(crate) fn methods(
        &self,
        audience: &'static Audience,
    ) -> impl Iterator<Item = CredentialMethod> {
        let all = CredentialMethod::ALL.into_iter();
        all.filter(move |method| self.has(*method, audience))
    }

    /// Whether a login may choose.
    pub(crate) const fn choice(&self) -> bool {
        self.choice
    }

    /// How a session that chose `chosen` gets the credential for `audience`.
    pub(crate) fn method(&self, chosen: Chosen, audience: &'static Audience) -> CredentialMethod {
        let chosen = chosen.of(audience).filter(|one| self.has(*one, audience));
        chosen.unwrap_or(*self.methods.of(audience))
    }

    /// A token of the user `sub` for `audience`, made from the user's `own`.
    pub(crate) async fn make(
        &self,
        token: UserToken,
        own: &Bearer,
        sub: &str,
        audience: &'static Audience,
    ) -> Result<Grant, ProviderError> {
        match token {
            UserToken::Exchanged => {
                let client = Client {
                    provider: &self.provider,
                    identity: self.provider.own_client(),
                    audience_by: self.audience_by,
                };
                client.exchange(own, audience).await
            }
            UserToken::Asserted => self.machine()?.assert(sub, audience).await,
            // By the session's refresh token (`refresh`), and never here.
            UserToken::Own => Err(ProviderError::Invalid("nothing to make".to_owned())),
        }
    }

    /// A credential that the session of the user `sub` does not keep, for `audience` and
    /// another one than `rejected`.
    pub(crate) async fn beside_session(
        &self,
        method: CredentialMethod,
        sub: &str,
        audience: &'static Audience,
        rejected: Option<&Credential>,
    ) -> Result<Credential, ProviderError> {
        if method.origin() == Origin::Statement {
            return identity_header::header(sub).map(Credential::of_statement);
        }
        self.of_app(method, audience, rejected).await
    }

    /// A credential of the app itself for `audience`, another one than `rejected`.
    async fn of_app(
        &self,
        method: CredentialMethod,
        audience: &'static Audience,
        rejected: Option<&Credential>,
    ) -> Result<Credential, ProviderError> {
        if method == CredentialMethod::ApiKey {
            let none = || ProviderError::Invalid("the app has no API key".to_owned());
            let key = self.api_key.clone().ok_or_else(none)?;
            return Ok(Credential::of_key(key));
        }
        let rejected = rejected.and_then(Credential::token);
        let client = match method {
            CredentialMethod::Mtls => self.by_certificate()?,
            _ => &self.machine()?.own,
        };
        let token = client.shared_token(audience, rejected).await?;
        Ok(Credential::of_token(method, token))
    }

    /// Whether an access token with these claims is of the kind `token`, as the provider
    /// issues it to this app.
    pub(crate) fn is_of_kind(&self, token: UserToken, claims: &AccessToken) -> bool {
        let app = self.provider.client_id();
        let actor = claims.act.as_ref();
        match token {
            UserToken::Own => claims.client_id == app && actor.is_none(),
            UserToken::Exchanged => {
                let is_app = actor.is_some_and(|act| act.sub == app && act.act.is_none());
                claims.client_id == app && is_app
            }
            UserToken::Asserted => {
                let machine = self.machine.as_ref();
                machine.is_some_and(|one| one.own.client_id == claims.client_id) && actor.is_none()
            }
        }
    }

    fn machine(&self) -> Result<&Machine, ProviderError> {
        let none = || ProviderError::Invalid("the app has no machine identity".to_owned());
        self.machine.as_ref().ok_or_else(none)
    }
}

#[cfg(test)]
pub(crate) mod tests;
