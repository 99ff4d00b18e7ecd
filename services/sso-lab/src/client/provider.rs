//! The identity provider, as a terminal client uses it.

use http::header::{ACCEPT, CONTENT_TYPE};
use kit::net::Trust;
use oauth_types::{ErrorBody, TokenResponse};
use oidc_http::{Backchannel, CallError};
use openidconnect::{
    ClientId, ClientSecret, DeviceAuthorizationUrl, DiscoveryError, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, ErrorResponseType, RequestTokenError, StandardErrorResponse,
    core::{CoreClient, CoreJsonWebKeySet},
};
use secrecy::{ExposeSecret as _, SecretString};
use token_verify::{Issuer, issuer::DISCOVERY};

use super::{
    metadata::{self, Metadata},
    one_line,
    provider_http::ProviderHttp,
};

/// A client of the provider.
pub(crate) type OidcClient = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The provider.
pub(crate) struct Provider {
    /// The way to it.
    pub(crate) http: ProviderHttp,
    to: Issuer,
    issuer: String,
    metadata: Metadata,
}

/// Why the provider gave nothing. Holds no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProviderError {
    /// Unreachable or too busy: a repeat may help.
    #[error("the identity provider cannot be used now: {0}")]
    Unavailable(String),
    /// It refused, with an error code of the protocol (RFC 6749 §5.2).
    #[error("the identity provider refused: {said}")]
    Refused {
        /// The code.
        code: String,
        /// The code and its description.
        said: String,
    },
    /// Its response breaks the protocol.
    #[error("the identity provider's response is unusable: {0}")]
    Unusable(String),
}

impl Provider {
    /// Reads the metadata and the keys of `issuer` (OIDC Discovery §4).
    pub(crate) async fn discover(issuer: Issuer) -> Result<Self, ProviderError> {
        let name = issuer.name().to_owned();
        let http = Backchannel::new(issuer.clone());
        let metadata = ask_for_metadata(&http, &issuer).await;
        Ok(Self {
            metadata: metadata.map_err(|error| error.at(&name))?,
            http: ProviderHttp(http),
            to: issuer,
            issuer: name,
        })
    }

    /// The issuer, exactly.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Tokens for the `form` of a request to the token endpoint (RFC 6749 §5).
    pub(crate) async fn token(&self, form: String) -> Result<TokenResponse, ProviderError> {
        let endpoint = self.metadata.token_endpoint();
        let endpoint = endpoint.ok_or_else(|| unusable("it has no token endpoint"))?;
        post(&self.http.0, endpoint.as_str(), form).await
    }

    /// The token endpoint for clients with a certificate (RFC 8705 §5), called with the
    /// trust that `identified` makes of the usual one.
    pub(crate) fn mtls_token_endpoint(
        &self,
        identified: impl FnOnce(&Trust) -> Trust,
    ) -> Result<MtlsEndpoint, ProviderError> {
        let url = self.metadata.additional_metadata();
        let url = url.mtls_token_endpoint.clone();
        let missing = "it has no token endpoint for mTLS (mtls_endpoint_aliases)";
        let to = self.to.clone();
        let trust = identified(to.trust());
        Ok(MtlsEndpoint {
            url: url.ok_or_else(|| unusable(missing))?,
            http: Backchannel::new(to.trusting(trust)),
        })
    }

    /// Whether every authorization response names the issuer (RFC 9207 §3).
    pub(crate) fn names_itself(&self) -> bool {
        let more = self.metadata.additional_metadata();
        more.authorization_response_iss_parameter_supported
    }

    /// Where devices begin (RFC 8628 §4).
    pub(crate) fn device_authorization_endpoint(&self) -> Option<&DeviceAuthorizationUrl> {
        let more = self.metadata.additional_metadata();
        more.device_authorization_endpoint.as_ref()
    }

    /// The client `id`, confidential with a `secret`.
    pub(crate) fn client(&self, id: &str, secret: Option<&SecretString>) -> OidcClient {
        let secret = secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        let id = ClientId::new(id.to_owned());
        CoreClient::from_provider_metadata(self.metadata.clone(), id, secret)
    }
}

impl ProviderError {
    /// Whether the provider refuses one audience or its scopes, and not the client (RFC 8707
    /// §2, RFC 6749 §5.2).
    pub(crate) fn is_about_resource(&self) -> bool {
        let Self::Refused { code, .. } = self else {
            return false;
        };
        ["invalid_target", "invalid_scope"].contains(&&**code)
    }

    /// The same error, with the `address` of the provider.
    fn at(self, address: &str) -> Self {
        match self {
            Self::Unavailable(why) => Self::Unavailable(format!("{address}: {why}")),
            Self::Unusable(why) => Self::Unusable(format!("{address}: {why}")),
            refused @ Self::Refused { .. } => refused,
        }
    }
}

/// The token endpoint for clients with a certificate.
pub(crate) struct MtlsEndpoint {
    url: String,
    http: Backchannel,
}

impl MtlsEndpoint {
    /// Tokens for the `form` of a request.
    pub(crate) async fn token(&self, form: String) -> Result<TokenResponse, ProviderError> {
        post(&self.http, &self.url, form).await
    }
}

/// The metadata and the keys of `issuer` (OIDC Discovery §4).
async fn ask_for_metadata(http: &Backchannel, issuer: &Issuer) -> Result<Metadata, ProviderError> {
    let request = http::Request::get(issuer.below(DISCOVERY)).header(ACCEPT, "application/json");
    let request = request.body(Vec::new());
    let request = request.map_err(|error| unusable(&error.to_string()))?;
    let answer = http.send(request).await?;
    if answer.status() != http::StatusCode::OK {
        let status = answer.status().as_u16();
        return Err(unusable(&format!("discovery: status {status}")));
    }
    let metadata = metadata::read(answer.body(), issuer.name());
    let metadata = metadata.map_err(|why| unusable(&format!("discovery: {why}")))?;
    let keys = CoreJsonWebKeySet::fetch_async(metadata.jwks_uri(), http).await?;
    Ok(metadata.set_jwks(keys))
}

fn unusable(what: &str) -> ProviderError {
    ProviderError::Unusable(what.to_owned())
}

/// Posts `form` to the token endpoint at `url`.
async fn post(http: &Backchannel, url: &str, form: String) -> Result<TokenResponse, ProviderError> {
    let request = http::Request::post(url)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.into_bytes());
    let request = request.map_err(|error| unusable(&error.to_string()))?;
    let answer = http.send(request).await?;
    // The response itself may hold tokens, so it is not shown.
    let odd = |_| unusable("its token response cannot be read");
    if answer.status() == http::StatusCode::OK {
        return serde_json::from_slice(answer.body()).map_err(odd);
    }
    let refused: ErrorBody = serde_json::from_slice(answer.body()).map_err(odd)?;
    let description = refused.error_description.unwrap_or_default();
    Err(ProviderError::Refused {
        said: one_line(&format!("{}: {description}", refused.error)),
        code: one_line(&refused.error),
    })
}

impl From<CallError> for ProviderError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::TooLarge => Self::Unusable(error.to_string()),
            CallError::Unreachable(_) | CallError::Busy { .. } => {
                Self::Unavailable(one_line(&error.to_string()))
            }
        }
    }
}

impl From<DiscoveryError<CallError>> for ProviderError {
    fn from(error: DiscoveryError<CallError>) -> Self {
        match error {
            DiscoveryError::Request(error) => error.into(),
            DiscoveryError::Response(status, _, _) => {
                Self::Unusable(format!("discovery: status {}", status.as_u16()))
            }
            other => Self::Unusable(one_line(&format!("discovery: {other}"))),
        }
    }
}

impl<T> From<RequestTokenError<CallError, StandardErrorResponse<T>>> for ProviderError
where
    T: ErrorResponseType + AsRef<str> + std::fmt::Display,
{
    fn from(error: RequestTokenError<CallError, StandardErrorResponse<T>>) -> Self {
        match error {
            RequestTokenError::Request(error) => error.into(),
            RequestTokenError::ServerResponse(said) => Self::Refused {
                code: one_line(said.error().as_ref()),
                said: one_line(&said.to_string()),
            },
            // The response itself may hold tokens, so it is not shown.
            RequestTokenError::Parse(error, _) => {
                Self::Unusable(format!("its member {} cannot be read", error.path()))
            }
            RequestTokenError::Other(why) => Self::Unusable(one_line(&why)),
        }
    }
}
