//! How an app gets the credential that its calls to an API bring: one setting for each
//! API, and a file here for each method. docs/credentials.md compares the methods.
//!
//! A user's token is kept with the session, in the session's place, and renewed by its
//! rules. `sessions` asks here for a new one and does not know how it is made; `proxy`
//! puts the credential on the call.

mod api_key;
mod client_credentials;
mod clients;
mod identity_header;
mod jwt_bearer;
mod method;
mod mtls;
pub(crate) mod refresh;
mod shared_token;
mod token_exchange;
mod user_token;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, header};
use kit::{
    clock::Clock,
    telemetry::items::{Items, Place},
};
use oauth_types::claims::AccessToken;
use tracing::Span;

use self::clients::{Client, Machine, OwnClient};
pub(crate) use self::{
    api_key::ApiKey, identity_header::alternative_names, method::Origin, user_token::UserToken,
};
pub use self::{
    clients::machine_client_id, identity_header::spiffe_id, method::CredentialMethod,
    mtls::mtls_client_id,
};
use crate::{
    audiences::{Audience, PerApi},
    bearer::Bearer,
    client_auth::{ClientAuth, ClientKey, MtlsPeers},
    provider::{AudienceBy, Grant, Provider, ProviderError},
};

/// The credential of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    /// How the app got it.
    pub(crate) method: CredentialMethod,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Token(Bearer),
    Key(ApiKey),
    Statement(HeaderValue),
}

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

impl Credential {
    /// An access token (RFC 6750 §2.1).
    pub(crate) const fn of_token(method: CredentialMethod, token: Bearer) -> Self {
        Self {
            method,
            content: Content::Token(token),
        }
    }

    /// An API key.
    const fn of_key(key: ApiKey) -> Self {
        Self {
            method: CredentialMethod::ApiKey,
            content: Content::Key(key),
        }
    }

    /// The header by which the app states the user.
    const fn of_statement(value: HeaderValue) -> Self {
        Self {
            method: CredentialMethod::IdentityHeader,
            content: Content::Statement(value),
        }
    }

    /// The access token, if the credential is one: after a refusal the app can get another.
    pub(crate) const fn token(&self) -> Option<&Bearer> {
        match &self.content {
            Content::Token(token) => Some(token),
            Content::Key(_) | Content::Statement(_) => None,
        }
    }

    /// The value of `authorization`; empty where it is no token.
    pub(crate) fn authorization(&self) -> &str {
        let header = self.token().map(Bearer::header);
        header
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Records it on the current span, for a call of a journey.
    pub(crate) fn record_on_span(&self) {
        let Some(mut items) = Items::of_current() else {
            return;
        };
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let own = Place::Header;
        match &self.content {
            Content::Token(token) => items.authorization(&text(token.header())),
            Content::Key(key) => items.value(own, api_key::HEADER.as_str(), &text(key.header())),
            Content::Statement(value) => {
                items.value(own, identity_header::HEADER.as_str(), &text(value));
            }
        }
        items.record_request(&Span::current());
    }

    /// Puts it on a call over HTTP.
    pub(crate) fn put_on(&self, headers: &mut HeaderMap) {
        match &self.content {
            Content::Token(token) => headers.insert(header::AUTHORIZATION, token.header().clone()),
            Content::Key(key) => headers.insert(api_key::HEADER, key.header().clone()),
            Content::Statement(value) => headers.insert(identity_header::HEADER, value.clone()),
        };
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
        is_there && method.is_taken_at(audience.uri)
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

    /// A credential for `audience` that is not kept with the session of the user `sub`, and
    /// that differs from `rejected`.
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

    /// A credential of the app itself for `audience` that differs from `rejected`.
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
