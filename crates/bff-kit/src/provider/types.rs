//! openidconnect's types, put together for our use.

use openidconnect::{
    AdditionalClaims, AdditionalProviderMetadata, Client, EmptyExtraTokenFields, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, IdToken, IdTokenFields, IdTokenVerifier, ProviderMetadata,
    StandardErrorResponse, StandardTokenResponse,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreClaimName, CoreClaimType, CoreClientAuthMethod,
        CoreErrorResponseType, CoreGenderClaim, CoreGrantType, CoreJsonWebKey,
        CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm,
        CoreResponseMode, CoreResponseType, CoreRevocableToken, CoreRevocationErrorResponse,
        CoreSubjectIdentifierType, CoreTokenIntrospectionResponse, CoreTokenType,
    },
};
use serde::{Deserialize, Serialize};

/// Metadata beyond OpenID Connect Discovery. Another provider may lack any of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct MoreMetadata {
    /// RFC 9126 §5.
    #[serde(default)]
    pub(crate) pushed_authorization_request_endpoint: Option<String>,
    /// RFC 8414 §2.
    #[serde(default)]
    pub(crate) revocation_endpoint: Option<String>,
    /// OIDC RP-Initiated Logout 1.0 §2.1.
    #[serde(default)]
    pub(crate) end_session_endpoint: Option<String>,
    /// Our own provider's: a user's grants to a client.
    #[serde(default)]
    pub(crate) grants_endpoint: Option<String>,
    /// RFC 9207 §3.
    #[serde(default)]
    pub(crate) authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for MoreMetadata {}

/// Claims beyond OIDC Core §2.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct MoreClaims {
    /// The provider's session (OIDC Back-Channel Logout 1.0 §2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sid: Option<String>,
}

impl AdditionalClaims for MoreClaims {}

pub(crate) type Metadata = ProviderMetadata<
    MoreMetadata,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

pub(crate) type Token = IdToken<
    MoreClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

pub(crate) type TokenAnswer = StandardTokenResponse<
    IdTokenFields<
        MoreClaims,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

pub(crate) type ErrorAnswer = StandardErrorResponse<CoreErrorResponseType>;

pub(crate) type Verifier<'a> = IdTokenVerifier<'a, CoreJsonWebKey>;

pub(crate) type OidcClient = Client<
    MoreClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    ErrorAnswer,
    TokenAnswer,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;
