//! Refusals: the protocol's error code (RFC 6750 §3.1) and a helpful description.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
    time::Duration,
};

use kit::clock::whole_secs;
use oauth_types::{BadMember, ErrorCode, error::sentence};

use crate::{
    dpop::{ALGORITHM_NAMES, BadProof},
    possession::{NotProven, Unproven},
    scheme::Scheme,
};

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
    /// RFC 7662 §2.2: the provider says so, and not why.
    #[error(
        "the token is not active: it is unknown, expired, revoked or for another resource server"
    )]
    Inactive,
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
    /// RFC 9068 §2.2: a required claim is missing, or a claim is unreadable.
    #[error("the token cannot be used: {0}")]
    Claim(#[from] BadMember),
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
    /// The scheme `DPoP` with a token that is bound to no key.
    #[error("the token is bound to no key: the scheme DPoP is for bound tokens alone")]
    NotBound,
    /// The token is bound to a key, and the request does not prove that its sender has it.
    #[error("the token cannot be used by this sender: {0}")]
    Unproven(#[from] Unproven),
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
    /// 401 `invalid_dpop_proof` or `use_dpop_nonce` (RFC 9449 §7.1, §9).
    Proof(BadProof),
    /// 403 `insufficient_scope`, with the required scope.
    InsufficientScope(String),
    /// The issuer's keys have never been fetched: 503, without a statement about the token.
    NoKeys,
    /// The provider did not answer an introspection request: 503, without a statement about
    /// the token.
    NoIntrospection,
    /// Used proofs cannot be looked up: 503.
    NoStore,
    /// Too many used proofs of the client for the user have not expired: 429, with the time
    /// to wait.
    TooManyProofs(Duration),
}

impl Refusal {
    /// Whether nothing can be said about the token at the moment: the caller may try again.
    pub const fn is_unknown(&self) -> bool {
        matches!(
            self,
            Self::NoKeys | Self::NoIntrospection | Self::NoStore | Self::TooManyProofs(_)
        )
    }

    /// The time after which the caller may try again, if trying again can help.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::TooManyProofs(wait) => Some(*wait),
            unknown if unknown.is_unknown() => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    /// The protocol's error code, if there is one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::NoToken
            | Self::NoKeys
            | Self::NoIntrospection
            | Self::NoStore
            | Self::TooManyProofs(_) => None,
            Self::BadRequest(_) => Some(ErrorCode::InvalidRequest),
            Self::Invalid(_) => Some(ErrorCode::InvalidToken),
            Self::Proof(why) => Some(why.code()),
            Self::InsufficientScope(_) => Some(ErrorCode::InsufficientScope),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToken => f.write_str("an access token is required (Authorization)"),
            Self::BadRequest(why) => f.write_str(why),
            Self::Invalid(why) => why.fmt(f),
            Self::InsufficientScope(needed) => {
                write!(f, "the token does not have the scope {needed}")
            }
            Self::Proof(why) => why.fmt(f),
            Self::NoKeys => f.write_str("the issuer's keys are not available at the moment"),
            Self::NoIntrospection => {
                f.write_str("the issuer cannot be asked about the token at the moment")
            }
            Self::NoStore => f.write_str("DPoP proofs cannot be checked at the moment"),
            Self::TooManyProofs(wait) => write!(
                f,
                "too many DPoP proofs of this client for this user have not expired yet: \
                 wait {} s, and then call less often",
                whole_secs(*wait)
            ),
        }
    }
}

impl From<Invalid> for Refusal {
    fn from(why: Invalid) -> Self {
        Self::Invalid(why)
    }
}

impl From<BadProof> for Refusal {
    fn from(why: BadProof) -> Self {
        Self::Proof(why)
    }
}

impl From<NotProven> for Refusal {
    fn from(why: NotProven) -> Self {
        match why {
            NotProven::NotBound => Invalid::NotBound.into(),
            NotProven::Proof(why) => why.into(),
            NotProven::Unproven(why) => Invalid::Unproven(why).into(),
        }
    }
}

/// A refusal by one resource server; becomes the response over HTTP or gRPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    realm: Arc<str>,
    why: Refusal,
    scheme: Scheme,
    accepts_proofs: bool,
    nonce: Option<String>,
}

impl Refused {
    pub(crate) fn new(realm: Arc<str>, why: Refusal, scheme: Scheme, accepts_proofs: bool) -> Self {
        Self {
            realm,
            why,
            scheme,
            accepts_proofs,
            nonce: None,
        }
    }

    /// With the nonce that the caller has to use.
    #[must_use]
    pub(crate) fn with_nonce(self, nonce: Option<String>) -> Self {
        Self { nonce, ..self }
    }

    /// The reason.
    pub fn why(&self) -> &Refusal {
        &self.why
    }

    /// The nonce that the caller has to use, for the header `DPoP-Nonce` (RFC 9449 §9).
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// The value of `WWW-Authenticate` (RFC 6750 §3, RFC 9449 §7.1): each scheme that is
    /// accepted, with the error in that of the request. `None` if the caller's credentials
    /// are not the reason.
    pub fn challenge(&self) -> Option<String> {
        if self.why.is_unknown() {
            return None;
        }
        let bearer = self.challenge_of(Scheme::Bearer);
        if !self.accepts_proofs {
            return Some(bearer);
        }
        Some(format!("{bearer}, {}", self.challenge_of(Scheme::Dpop)))
    }

    fn challenge_of(&self, scheme: Scheme) -> String {
        let mut challenge = match scheme {
            Scheme::Bearer => format!("Bearer realm=\"{}\"", sentence(&self.realm)),
            Scheme::Dpop => format!("DPoP algs=\"{}\"", ALGORITHM_NAMES.join(" ")),
        };
        if scheme != self.scheme {
            return challenge;
        }
        if let Some(code) = self.why.code() {
            let why = sentence(&self.why.to_string());
            let _ = write!(challenge, ", error=\"{code}\", error_description=\"{why}\"");
        }
        if let Refusal::InsufficientScope(needed) = &self.why {
            let _ = write!(challenge, ", scope=\"{}\"", sentence(needed));
        }
        challenge
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
        Refused::new("https://api-2".into(), why, Scheme::Bearer, false).challenge()
    }

    #[test]
    fn rfc9449_7_1_both_schemes_are_offered_and_the_one_of_the_request_has_the_error() {
        let challenge = |why, scheme| {
            let refused = Refused::new("https://api-2".into(), why, scheme, true);
            refused.challenge().unwrap()
        };
        let algs = "DPoP algs=\"ES256 EdDSA PS256\"";
        let realm = "Bearer realm=\"https://api-2\"";
        let without = challenge(Refusal::NoToken, Scheme::Bearer);
        assert_eq!(without, format!("{realm}, {algs}"));
        let refused = challenge(BadProof::Url.into(), Scheme::Dpop);
        let begin = format!("{realm}, {algs}, error=\"invalid_dpop_proof\", error_description=");
        assert!(refused.starts_with(&begin), "{refused}");
        let refused = challenge(Invalid::Expired.into(), Scheme::Bearer);
        let begin = format!("{realm}, error=\"invalid_token\", error_description=");
        assert!(refused.starts_with(&begin), "{refused}");
        assert!(refused.ends_with(&format!(", {algs}")), "{refused}");
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
    fn an_outage_is_not_blamed_on_the_token() {
        for why in [
            Refusal::NoKeys,
            Refusal::NoIntrospection,
            Refusal::NoStore,
            Refusal::TooManyProofs(Duration::from_millis(1500)),
        ] {
            assert!(why.wait().is_some());
            assert!(why.is_unknown());
            assert_eq!(challenge(why), None);
        }
    }
}
