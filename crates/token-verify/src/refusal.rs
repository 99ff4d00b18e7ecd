//! Why a caller is refused, in the protocol's words (RFC 6750 §3.1) and in a
//! sentence that helps.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use oauth_types::{ErrorCode, error::sentence};

/// What is wrong with an access token. No part of the token is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Longer than [`crate::verifier::MAX_TOKEN`].
    #[error("the token is longer than {} bytes", crate::verifier::MAX_TOKEN)]
    TooLong,
    /// Not a signed JWT in its compact form.
    #[error("the token is not a signed JWT")]
    NotAJwt,
    /// `none`, a symmetric algorithm, or another that is not allowed (RFC 8725 §3.1).
    #[error("the token's algorithm is not allowed: ES256, RS256 or EdDSA is expected")]
    Algorithm,
    /// RFC 9068 §4: `typ` must be `at+jwt`.
    #[error("the token's typ is not at+jwt: an id_token or other JWT is not an access token")]
    Type,
    /// RFC 7515 §4.1.11: what must be understood is not.
    #[error("the token's header has critical parameters that are not understood")]
    Critical,
    /// None of the issuer's keys fits.
    #[error("the token is not signed with a key of the issuer's")]
    UnknownKey,
    /// The key's kind is for another algorithm than the header's.
    #[error("the token's algorithm is not that of its key")]
    KeyAlgorithm,
    /// Bent, or another's.
    #[error("the token's signature is not good")]
    Signature,
    /// RFC 9068 §2.2: a claim that every access token has.
    #[error("the token has no claim {0}")]
    Missing(&'static str),
    /// A claim of another type than its own.
    #[error("the token has a claim of the wrong type")]
    Claims,
    /// Another issuer's.
    #[error("the token is another issuer's")]
    Issuer,
    /// Meant for another resource server.
    #[error("the token is not meant for {0}")]
    Audience(Arc<str>),
    /// Over.
    #[error("the token expired")]
    Expired,
    /// `nbf` or `iat` lie ahead.
    #[error("the token is not valid yet")]
    NotYet,
}

/// Why a caller is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No access token at all: 401 without an error code (RFC 6750 §3.1).
    NoToken,
    /// Credentials twice, or not readable: 400 `invalid_request`.
    BadRequest(&'static str),
    /// 401 `invalid_token`.
    Invalid(Invalid),
    /// 403 `insufficient_scope`: this scope is needed.
    InsufficientScope(String),
    /// The issuer's keys were never had: 503, and no word about the token.
    NoKeys,
}

impl Refusal {
    /// The protocol's error code, where it has one.
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
            Self::NoToken => f.write_str("an access token is needed: Authorization: Bearer"),
            Self::BadRequest(why) => f.write_str(why),
            Self::Invalid(why) => why.fmt(f),
            Self::InsufficientScope(needed) => {
                write!(f, "the token does not have the scope {needed}")
            }
            Self::NoKeys => f.write_str("the issuer's keys cannot be had at the moment"),
        }
    }
}

impl From<Invalid> for Refusal {
    fn from(why: Invalid) -> Self {
        Self::Invalid(why)
    }
}

/// A refusal by one resource server; the answer over HTTP and over gRPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    realm: Arc<str>,
    why: Refusal,
}

impl Refused {
    pub(crate) fn new(realm: Arc<str>, why: Refusal) -> Self {
        Self { realm, why }
    }

    /// Why.
    pub fn why(&self) -> &Refusal {
        &self.why
    }

    /// The value of `WWW-Authenticate` (RFC 6750 §3); none where the caller's
    /// credentials are not what is wrong.
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
