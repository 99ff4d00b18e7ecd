//! The methods, by name.

use std::{fmt, str::FromStr};

use kit::telemetry::names::{API_KEY, IDENTITY_HEADER};
use serde::{Deserialize, Serialize};

use super::user_token::UserToken;
use crate::audiences::{API1, Audience};

/// How an app gets the credential that its calls to an API bring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialMethod {
    /// The user's access token for the API, by the session's refresh token (RFC 6749 §6,
    /// RFC 8707).
    #[default]
    Refresh,
    /// The user's access token for the app, exchanged for one to the API that names the
    /// app as actor (RFC 8693).
    TokenExchange,
    /// An access token of the app's machine identity, without a user (RFC 6749 §4.4).
    ClientCredentials,
    /// An access token for a user whom the app's machine identity names in an assertion
    /// (RFC 7523 §2.1).
    JwtBearer,
    /// An access token of the app's client with a certificate, without a user. It is bound
    /// to the certificate, and counts on connections with it alone (RFC 8705).
    Mtls,
    /// API keys, for programs without OAuth: a fixed secret of the app, which API-1 takes in
    /// place of an access token.
    ApiKey,
    /// The user, as the app states it in a header on a connection with its certificate.
    IdentityHeader,
}

/// Whose credential it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An access token of the user, which the session keeps.
    UserToken,
    /// The app's own, the same for all users.
    App,
    /// The app's statement about the user.
    Statement,
}

impl CredentialMethod {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Refresh,
        Self::TokenExchange,
        Self::ClientCredentials,
        Self::JwtBearer,
        Self::Mtls,
        Self::ApiKey,
        Self::IdentityHeader,
    ];

    /// Its name, as settings and pages have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refresh => "refresh",
            Self::TokenExchange => "token_exchange",
            Self::ClientCredentials => "client_credentials",
            Self::JwtBearer => "jwt_bearer",
            Self::Mtls => "mtls",
            Self::ApiKey => API_KEY,
            Self::IdentityHeader => IDENTITY_HEADER,
        }
    }

    /// What the API knows of the user, in a sentence for the app's page.
    pub(crate) const fn api_knows(self) -> &'static str {
        match self {
            Self::Refresh => "The API knows you directly: the token is yours.",
            Self::TokenExchange => "The API knows you, and that the app acts for you (act).",
            Self::ClientCredentials => "The API knows the app alone, and not you.",
            Self::JwtBearer => {
                "The API knows you, because the app says so: nobody signed in for this token."
            }
            Self::Mtls => "The API knows the app alone, by its certificate, and not you.",
            Self::ApiKey => "The API knows the app by its key, and not you.",
            Self::IdentityHeader => {
                "The API knows you, because the app says so in a header: no token takes part."
            }
        }
    }

    /// The token that the session keeps for a call by this method. With any other credential
    /// than a token of the user, it goes to no API: it proves at each renewal that the user's
    /// login goes on.
    pub(crate) const fn user_token(self) -> UserToken {
        match self {
            Self::Refresh
            | Self::ClientCredentials
            | Self::Mtls
            | Self::ApiKey
            | Self::IdentityHeader => UserToken::Own,
            Self::TokenExchange => UserToken::Exchanged,
            Self::JwtBearer => UserToken::Asserted,
        }
    }

    /// Whose credential it is.
    pub(crate) const fn origin(self) -> Origin {
        match self {
            Self::Refresh | Self::TokenExchange | Self::JwtBearer => Origin::UserToken,
            Self::ClientCredentials | Self::Mtls | Self::ApiKey => Origin::App,
            Self::IdentityHeader => Origin::Statement,
        }
    }

    /// Whether the app needs its certificate for it, and calls the API's mTLS port.
    pub(crate) const fn needs_certificate(self) -> bool {
        matches!(self, Self::Mtls | Self::IdentityHeader)
    }

    /// Whether the app needs its machine identity for it.
    pub(crate) const fn needs_machine(self) -> bool {
        matches!(self, Self::ClientCredentials | Self::JwtBearer)
    }

    /// Whether the API of `audience` takes such a credential.
    pub fn is_taken_at(self, audience: &str) -> bool {
        let is_for_api1 = self.needs_certificate() || self == Self::ApiKey;
        !is_for_api1 || audience == API1.uri
    }

    /// Why `audience` does not take it, in a sentence.
    pub(crate) fn unsuited(self, audience: &'static Audience) -> String {
        let why = match self {
            Self::Mtls | Self::IdentityHeader => "has no mTLS port",
            _ => "takes access tokens alone",
        };
        format!("{self}: {} {why}", audience.uri)
    }
}

impl fmt::Display for CredentialMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CredentialMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|method| method.as_str() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str);
            format!(
                "{} or {}",
                names[..names.len() - 1].join(", "),
                names[names.len() - 1]
            )
        })
    }
}
