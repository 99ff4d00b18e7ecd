//! Refusals: the protocol's error code (RFC 6750 §3.1) and a helpful description.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use oauth_types::{ErrorCode, error::sentence};

/// The maximum length of an access token in bytes.
pub const MAX_TOKEN: usize = 8 * 1024;

/// Why an access token is invalid. Contains no part of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Longer than [`MAX_TOKEN`].
    #[error("the token is longer than {MAX_TOKEN} bytes")]
    TooLong,
    /// Not a signed JWT in its compact form.
    #[error("the token is not a signed JWT")]
    NotAJwt,
    /// `none`, a symmetric algorithm, or another that is not allowed (RFC 8725 §3.1).
    #[error("the token's algorithm is not allowed; expected ES256, RS256 or EdDSA")]
    Algorithm,
    /// RFC 9068 §4: `typ` must be `at+jwt`.
    #[error("the token's typ is not at+jwt; an ID token or another JWT is not an access token")]
    Type,
    /// RFC 7515 §4.1.11: `crit` is not supported.
    #[error("the token's header has critical parameters, which are not supported")]
    Critical,
    /// No key of the issuer matches.
    #[error("the token is not signed with a key of the issuer")]
    UnknownKey,
    /// The key does not support the header's algorithm.
    #[error("the token's algorithm does not match its key")]
    KeyAlgorithm,
    /// The signature does not match the key.
    #[error("the token's signature is invalid")]
    Signature,
    /// RFC 9068 §2.2: a required claim is missing.
    #[error("the token has no claim {0}")]
    Missing(&'static str),
    /// A claim has the wrong type.
    #[error("the token has a claim of the wrong type")]
    Claims,
    /// The token is from another issuer.
    #[error("the token is from another issuer")]
    Issuer,
    /// The token is for another resource server.
    #[error("the token's audience is not {0}")]
    Audience(Arc<str>),
    /// The token has expired.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` is in the future.
    #[error("the token is not valid yet")]
    NotYet,
}

/// Why a caller is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No access token: 401 without an error code (RFC 6750 §3.1).
    NoToken,
    /// Duplicate or unreadable credentials: 400 `invalid_request`.
    BadRequest(&'static str),
    /// 401 `invalid_token`.
    Invalid(Invalid),
    /// 403 `insufficient_scope`, with the required scope.
    InsufficientScope(String),
    /// The issuer's keys have never been fetched: 503, without a statement about the token.
    NoKeys,
}

impl Refusal {
    /// The protocol's error code, if there is one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::NoToken | Self::NoKeys => None,
            Self::BadRequest(_) => Some(ErrorCode::InvalidRequest),
            Self::Invalid(_) => Some(ErrorCode::InvalidToken),
            Self::InsufficientScope(_) => Some(ErrorCode::InsufficientScope),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToken => f.write_str("an access token is required (Authorization: Bearer)"),
            Self::BadRequest(why) => f.write_str(why),
            Self::Invalid(why) => why.fmt(f),
            Self::InsufficientScope(needed) => {
                write!(f, "the token does not have the scope {needed}")
            }
            Self::NoKeys => f.write_str("the issuer's keys are not available at the moment"),
        }
    }
}

impl From<Invalid> for Refusal {
    fn from(why: Invalid) -> Self {
        Self::Invalid(why)
    }
}

/// A refusal by one resource server; becomes the response over HTTP or gRPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    realm: Arc<str>,
    why: Refusal,
}

impl Refused {
    pub(crate) fn new(realm: Arc<str>, why: Refusal) -> Self {
        Self { realm, why }
    }

    /// The reason.
    pub fn why(&self) -> &Refusal {
        &self.why
    }

    /// The value of `WWW-Authenticate` (RFC 6750 §3); `None` if the caller's
    /// credentials are not the reason.
    pub fn challenge(&self) -> Option<String> {
        if self.why == Refusal::NoKeys {
            return None;
        }
        let mut challenge = format!("Bearer realm=\"{}\"", sentence(&self.realm));
        if let Some(code) = self.why.code() {
            let why = sentence(&self.why.to_string());
            let _ = write!(challenge, ", error=\"{code}\", error_description=\"{why}\"");
        }
        if let Refusal::InsufficientScope(needed) = &self.why {
            let _ = write!(challenge, ", scope=\"{}\"", sentence(needed));
        }
        Some(challenge)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod unit {
    use super::*;

    fn challenge(why: Refusal) -> Option<String> {
        Refused::new("https://api-2".into(), why).challenge()
    }

    #[test]
    fn rfc6750_3_1_without_a_token_there_is_no_error_code() {
        assert_eq!(
            challenge(Refusal::NoToken).unwrap(),
            "Bearer realm=\"https://api-2\""
        );
    }

    #[test]
    fn rfc6750_3_1_the_scope_that_is_needed_is_named() {
        let challenge = challenge(Refusal::InsufficientScope("https://api-2/write".into()));
        let challenge = challenge.unwrap();
        assert!(challenge.contains("error=\"insufficient_scope\""));
        assert!(challenge.ends_with("scope=\"https://api-2/write\""));
    }

    #[test]
    fn an_outage_of_the_issuer_is_not_blamed_on_the_token() {
        assert_eq!(challenge(Refusal::NoKeys), None);
    }
}
