//! The types of the token endpoint's responses, for openidconnect. The library's own
//! types demand the exact type of every member; these read only what the app uses.

use std::{fmt, time::Duration};

use oauth_types::{Members, names::access_token_type::DPOP, sounds_like_code};
use openidconnect::{
    AccessToken, Client, EmptyAdditionalClaims, EndpointNotSet, EndpointSet, ErrorResponse,
    IdToken, OAuth2TokenResponse, RefreshToken, Scope, TokenResponse,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreGenderClaim, CoreJsonWebKey,
        CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreRevocableToken,
        CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
    },
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use super::optional;

/// A token response (RFC 6749 §5.1). `Debug` shows no token.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TokenAnswer {
    access_token: AccessToken,
    token_type: CoreTokenType,
    expires_in: Option<u64>,
    /// The error of a refusal with status 200.
    refused: Option<ErrorAnswer>,
    refresh_token: Option<RefreshToken>,
    /// The ID token, unverified.
    #[serde(skip)]
    pub(super) id_token: Option<Unchecked>,
}

/// An unverified ID token.
#[derive(Clone)]
pub(crate) struct Unchecked(pub(super) String);

impl fmt::Debug for Unchecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unchecked([redacted])")
    }
}

impl<'de> Deserialize<'de> for TokenAnswer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        const WHAT: &str = "a token answer";
        let members = Members::of(Value::deserialize(from)?).map_err(D::Error::custom)?;
        let without_token = !members.has_value("access_token");
        if let Some(refused) = ErrorAnswer::read(&members).filter(|_| without_token) {
            return Ok(Self::refusing(refused));
        }
        let token_type = members.needed("token_type").map_err(D::Error::custom)?;
        let access_token = members.needed("access_token").map_err(D::Error::custom)?;
        let text = |name| {
            let text = optional(WHAT, members.text(name)).filter(|text| !text.is_empty());
            text.map(ToOwned::to_owned)
        };
        let expires_in = optional(WHAT, members.seconds("expires_in"));
        Ok(Self {
            access_token: AccessToken::new(access_token.to_owned()),
            // RFC 6749 §7.1: in any case.
            token_type: if token_type.eq_ignore_ascii_case("bearer") {
                CoreTokenType::Bearer
            } else if token_type.eq_ignore_ascii_case(DPOP) {
                CoreTokenType::Extension(DPOP.to_owned())
            } else {
                CoreTokenType::Extension(String::new())
            },
            expires_in: expires_in.map(|seconds| u64::try_from(seconds).unwrap_or(0)),
            refused: None,
            refresh_token: text("refresh_token").map(RefreshToken::new),
            id_token: text("id_token").map(Unchecked),
        })
    }
}

impl TokenAnswer {
    fn refusing(refused: ErrorAnswer) -> Self {
        Self {
            access_token: AccessToken::new(String::new()),
            token_type: CoreTokenType::Bearer,
            expires_in: None,
            refused: Some(refused),
            refresh_token: None,
            id_token: None,
        }
    }

    /// The error, if it is a refusal.
    pub(super) const fn refused(&self) -> Option<&ErrorAnswer> {
        self.refused.as_ref()
    }
}

impl OAuth2TokenResponse for TokenAnswer {
    type TokenType = CoreTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &CoreTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in.map(Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    /// Unused: the API refuses an access token that lacks a scope.
    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

type AnyIdToken = IdToken<
    EmptyAdditionalClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

impl
    TokenResponse<
        EmptyAdditionalClaims,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    > for TokenAnswer
{
    /// Unused: the module `id_token` checks it.
    fn id_token(&self) -> Option<&AnyIdToken> {
        None
    }
}

/// A refusal (RFC 6749 §5.2).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ErrorAnswer {
    /// The code.
    pub(super) error: String,
}

impl ErrorAnswer {
    /// The refusal in a response, if it is one.
    pub(super) fn read(members: &Members) -> Option<Self> {
        let error = members.needed("error").ok()?.to_owned();
        Some(Self { error })
    }
}

impl<'de> Deserialize<'de> for ErrorAnswer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let members = Members::of(Value::deserialize(from)?).map_err(D::Error::custom)?;
        Self::read(&members).ok_or_else(|| D::Error::custom("its member error is no text"))
    }
}

impl fmt::Display for ErrorAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Spans and pages show it, so it must have the form of a code.
        let code = Some(self.error.as_str()).filter(|code| sounds_like_code(code));
        f.write_str(code.unwrap_or("an invalid error code"))
    }
}

impl ErrorResponse for ErrorAnswer {}

pub(crate) type OidcClient = Client<
    EmptyAdditionalClaims,
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
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
>;
