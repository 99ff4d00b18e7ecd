//! Errors of calls to the provider.

use kit::{net::ReadError, telemetry::names::OK};
use oauth_types::{ErrorCode, sounds_like_code};
use oidc_http::CallError;
use openidconnect::RequestTokenError;
use token_verify::jwks::FetchError;
use tracing::Span;

use super::types::ErrorAnswer;

/// Why a call to the provider failed. It never contains a token or a code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProviderError {
    /// The provider is unreachable or busy: a later call may succeed.
    #[error("the provider cannot be used now: {why}")]
    Unavailable {
        /// The cause.
        why: String,
        /// When to try again, in seconds.
        retry_after: u64,
    },
    /// The provider asks for fewer requests, so an immediate retry would not help.
    #[error("the provider asks to wait")]
    Throttled {
        /// When to try again, in seconds.
        retry_after: u64,
    },
    /// The provider answered with an error code of the protocol.
    #[error("the provider refused: {code}")]
    Refused {
        /// The code (RFC 6749 §5.2).
        code: String,
    },
    /// The response breaks the protocol, or is not for this app.
    #[error("the provider's answer is no good: {0}")]
    Invalid(String),
    /// The ID token is not valid at this time, by this app's clock.
    #[error("the provider's ID token is out of time: {0}")]
    OutOfTime(String),
}

impl ProviderError {
    /// Its keys cannot be fetched, so no token can be checked.
    pub(crate) fn no_keys() -> Self {
        Self::Unavailable {
            why: "its keys cannot be fetched".to_owned(),
            retry_after: 1,
        }
    }

    /// The outcome that spans record: the provider's error code, if it has the form of
    /// one (RFC 6749 §5.2).
    pub(crate) fn outcome(&self) -> &str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::Throttled { .. } => "throttled",
            Self::Refused { code } => code,
            Self::Invalid(_) | Self::OutOfTime(_) => "unusable",
        }
    }

    /// The outcome as a metric's label, one of a few.
    pub(super) fn in_a_metric(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } | Self::Throttled { .. } => "unavailable",
            _ if self.is_refused_as(ErrorCode::InvalidGrant) => ErrorCode::InvalidGrant.as_str(),
            Self::Refused { .. } => "refused",
            Self::Invalid(_) | Self::OutOfTime(_) => "unusable",
        }
    }

    /// Whether the provider refused with `code`.
    pub(crate) fn is_refused_as(&self, code: ErrorCode) -> bool {
        matches!(self, Self::Refused { code: said } if said == code.as_str())
    }
}

/// Records in the current span how the call ended.
pub(crate) fn record_outcome<T>(outcome: Result<T, ProviderError>) -> Result<T, ProviderError> {
    let value = outcome.as_ref().err().map_or(OK, ProviderError::outcome);
    Span::current().record("sso.outcome", value);
    outcome
}

impl From<CallError> for ProviderError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unreachable(why) => Self::Unavailable {
                why,
                retry_after: 1,
            },
            CallError::Busy {
                status: 429,
                retry_after,
            } => Self::Throttled { retry_after },
            CallError::Busy {
                status,
                retry_after,
            } => Self::Unavailable {
                why: format!("status {status}"),
                retry_after,
            },
            CallError::TooLarge => Self::Invalid(error.to_string()),
        }
    }
}

impl From<ErrorAnswer> for ProviderError {
    fn from(answer: ErrorAnswer) -> Self {
        // Log lines and pages repeat the code.
        if sounds_like_code(&answer.error) {
            Self::Refused { code: answer.error }
        } else {
            Self::Invalid("its error code has not the form of one (RFC 6749 §5.2)".to_owned())
        }
    }
}

impl From<FetchError> for ProviderError {
    fn from(error: FetchError) -> Self {
        let why = format!("its keys: {error}");
        match error {
            FetchError::Unreachable {
                source: ReadError::Http(_),
                ..
            }
            | FetchError::Status {
                status: 429 | 500..,
                ..
            } => Self::Unavailable {
                why,
                retry_after: 1,
            },
            _ => Self::Invalid(why),
        }
    }
}

impl From<RequestTokenError<CallError, ErrorAnswer>> for ProviderError {
    fn from(error: RequestTokenError<CallError, ErrorAnswer>) -> Self {
        match error {
            RequestTokenError::Request(error) => error.into(),
            RequestTokenError::ServerResponse(answer) => answer.into(),
            // The error names a member, never its value. The body may contain tokens, so
            // it is dropped.
            RequestTokenError::Parse(error, _) => Self::Invalid(format!(
                "the token answer cannot be read: {}",
                error.inner()
            )),
            RequestTokenError::Other(why) => Self::Invalid(why),
        }
    }
}
