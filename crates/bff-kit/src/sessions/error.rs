//! Why a session cannot be used, or its access token not be renewed, and the problem
//! responses to these errors.

use actix_web::http::StatusCode;
use oauth_types::ErrorCode;
use store::StoreError;
use web_kit::problem::Problem;

use crate::{
    cookies::TooLarge,
    problems::{not_signed_in, provider_failed, store_unreachable},
    provider::ProviderError,
};

/// Why a session cannot be opened, begun, listed or ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SessionError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The provider's keys, or the user's grants, cannot be fetched.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// A browser would not keep its cookies.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The provider ended its session while this one began.
    #[error("the provider's session has ended meanwhile")]
    EndedMeanwhile,
}

/// Why there is no access token. Requests that waited for the same refresh share
/// it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// The session has ended, or the provider takes its refresh token no more.
    #[error("the session has ended")]
    Ended,
    /// The store did not answer.
    #[error("{0}")]
    Store(String),
    /// The provider failed or refused. The session stays.
    #[error(transparent)]
    Provider(ProviderError),
    /// The provider issued a token for another audience than the requested one.
    #[error("the provider gave a token for another audience")]
    WrongAudience,
    /// The session has no refresh token. Its access tokens for other audiences are
    /// still good, so it stays.
    #[error("the session has no refresh token")]
    NoRefreshToken,
    /// Another request's refresh took too long.
    #[error("another request's refresh took too long")]
    TookTooLong,
}

impl TokenError {
    /// The outcome that the span records.
    pub(super) fn outcome(&self) -> &str {
        match self {
            Self::Ended => "session_ended",
            Self::Store(_) => "store",
            Self::Provider(error) => error.outcome(),
            Self::WrongAudience => "wrong_audience",
            Self::NoRefreshToken => "no_refresh_token",
            Self::TookTooLong => "took_too_long",
        }
    }

    /// Whether a request for any other audience would fail in the same way now.
    pub(super) const fn is_for_every_audience(&self) -> bool {
        match self {
            Self::Ended
            | Self::Store(_)
            | Self::Provider(ProviderError::Unavailable { .. } | ProviderError::Throttled { .. }) => {
                true
            }
            Self::Provider(
                ProviderError::Refused { .. }
                | ProviderError::Invalid(_)
                | ProviderError::OutOfTime(_),
            )
            | Self::WrongAudience
            | Self::NoRefreshToken
            | Self::TookTooLong => false,
        }
    }
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Store(error) => store_unreachable(&error.to_string()),
            SessionError::Provider(error) => provider_failed(&error),
            SessionError::EndedMeanwhile => not_signed_in(),
            SessionError::TooLarge(_) => {
                tracing::error!("a session fits no cookie: {error}");
                Self::new(StatusCode::BAD_GATEWAY, "Session too large for cookies")
                    .detail("The identity provider's tokens do not fit the cookies that this session's mode needs.")
            }
        }
    }
}

impl From<ProviderError> for TokenError {
    fn from(error: ProviderError) -> Self {
        if error.is_refused_as(ErrorCode::InvalidGrant) {
            Self::Ended
        } else {
            Self::Provider(error)
        }
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Ended => not_signed_in(),
            TokenError::Store(why) => store_unreachable(&why),
            TokenError::Provider(error) => provider_failed(&error),
            TokenError::WrongAudience => Self::new(StatusCode::BAD_GATEWAY, "Wrong access token")
                .detail("The identity provider issued an access token for a different API."),
            TokenError::NoRefreshToken => Self::new(StatusCode::BAD_GATEWAY, "No access token")
                .detail("This session has no refresh token, and no access token for this API."),
            TokenError::TookTooLong => Self::new(StatusCode::SERVICE_UNAVAILABLE, "Busy")
                .detail("Another request of this session is still renewing its access token.")
                .retry_after(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(error: ProviderError) -> StatusCode {
        Problem::from(TokenError::from(error)).status()
    }

    #[test]
    fn only_invalid_grant_ends_a_session() {
        let refused = |code: &str| ProviderError::Refused {
            code: code.to_owned(),
        };
        assert_eq!(
            TokenError::from(refused("invalid_grant")),
            TokenError::Ended
        );
        assert_eq!(provider(refused("invalid_grant")), StatusCode::UNAUTHORIZED);
        for code in [
            "invalid_target",
            "invalid_client",
            "invalid_scope",
            "server_error",
        ] {
            assert_eq!(provider(refused(code)), StatusCode::BAD_GATEWAY, "{code}");
        }
    }

    #[test]
    fn what_may_work_later_is_503() {
        let away = ProviderError::Unavailable {
            why: "refused".into(),
            retry_after: 7,
        };
        assert_eq!(provider(away), StatusCode::SERVICE_UNAVAILABLE);
        for error in [TokenError::Store("x".into()), TokenError::TookTooLong] {
            assert_eq!(
                Problem::from(error).status(),
                StatusCode::SERVICE_UNAVAILABLE
            );
        }
        assert_eq!(
            provider(ProviderError::Invalid("x".into())),
            StatusCode::BAD_GATEWAY
        );
    }
}
