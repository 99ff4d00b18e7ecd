//! What can go wrong between the app and the provider.

use kit::telemetry::names::OK;
use oauth_types::{ErrorCode, sounds_like_code};
use openidconnect::{DiscoveryError, RequestTokenError};
use tracing::Span;

use super::{backchannel::CallError, types::ErrorAnswer};

/// Why the provider did not do it. Never holds a token or a code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProviderError {
    /// It is not reached, or is too busy: later it may do it.
    #[error("the provider cannot be used now: {why}")]
    Unavailable {
        /// What happened.
        why: String,
        /// When to try again, in seconds.
        retry_after: u64,
    },
    /// It asks for fewer requests: the same one at once would be one more.
    #[error("the provider asks to wait")]
    Throttled {
        /// When to try again, in seconds.
        retry_after: u64,
    },
    /// It answered with an error code of the protocol.
    #[error("the provider refused: {code}")]
    Refused {
        /// The code (RFC 6749 §5.2).
        code: String,
    },
    /// Its answer breaks the protocol, or is not meant for us.
    #[error("the provider's answer is no good: {0}")]
    Invalid(String),
}

impl ProviderError {
    /// How a step ended that ended so: the provider's error code, if it sounds
    /// like one (RFC 6749 §5.2), for it is the provider's own word.
    pub(crate) fn outcome(&self) -> &str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::Throttled { .. } => "throttled",
            Self::Refused { code } if sounds_like_code(code) => code,
            Self::Refused { .. } => "refused",
            Self::Invalid(_) => "unusable",
        }
    }

    /// The same in the few words that a metric has.
    pub(super) fn in_a_metric(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } | Self::Throttled { .. } => "unavailable",
            _ if self.is_refused_as(ErrorCode::InvalidGrant) => ErrorCode::InvalidGrant.as_str(),
            Self::Refused { .. } => "refused",
            Self::Invalid(_) => "unusable",
        }
    }

    /// Whether it refused with this code.
    pub(crate) fn is_refused_as(&self, code: ErrorCode) -> bool {
        matches!(self, Self::Refused { code: said } if said == code.as_str())
    }
}

/// Notes on the current span how its step ended.
pub(crate) fn note<T>(outcome: Result<T, ProviderError>) -> Result<T, ProviderError> {
    let said = outcome.as_ref().err().map_or(OK, ProviderError::outcome);
    Span::current().record("sso.outcome", said);
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
        Self::Refused { code: answer.error }
    }
}

impl From<DiscoveryError<CallError>> for ProviderError {
    fn from(error: DiscoveryError<CallError>) -> Self {
        match error {
            DiscoveryError::Request(error) => error.into(),
            DiscoveryError::Response(status, _, _) => {
                Self::Invalid(format!("discovery: status {status}"))
            }
            other => Self::Invalid(format!("discovery: {other}")),
        }
    }
}

impl From<RequestTokenError<CallError, ErrorAnswer>> for ProviderError {
    fn from(error: RequestTokenError<CallError, ErrorAnswer>) -> Self {
        match error {
            RequestTokenError::Request(error) => error.into(),
            RequestTokenError::ServerResponse(answer) => answer.into(),
            // It names a member, and not what stood there. The body itself may
            // hold tokens: it goes nowhere.
            RequestTokenError::Parse(error, _) => Self::Invalid(format!(
                "the token answer cannot be read: {}",
                error.inner()
            )),
            RequestTokenError::Other(why) => Self::Invalid(why),
        }
    }
}
