//! Why there is no access token, and what the browser is told: the one place
//! between the two.

use actix_web::http::StatusCode;
use oauth_types::ErrorCode;
use store::StoreError;
use web_kit::problem::Problem;

use crate::{provider::ProviderError, sessions::SessionError};

/// Why there is no access token. Those who waited for it share it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// The session has ended, or the provider takes its refresh token no more.
    #[error("the session has ended")]
    Ended,
    /// The store did not answer.
    #[error("{0}")]
    Store(String),
    /// The provider did not do it. The session stays.
    #[error(transparent)]
    Provider(ProviderError),
    /// The token is for another audience than the one asked for.
    #[error("the provider gave a token for another audience")]
    WrongAudience,
    /// There is no refresh token to mint one with. What is kept for other
    /// audiences still serves, so the session stays.
    #[error("the session has no refresh token")]
    NoneToBeHad,
    /// Somebody else's refresh took too long.
    #[error("another request's refresh took too long")]
    TookTooLong,
}

impl TokenError {
    /// How the step ended that found it.
    pub(super) fn outcome(&self) -> &str {
        match self {
            Self::Ended => "session_ended",
            Self::Store(_) => "store",
            Self::Provider(error) => error.outcome(),
            Self::WrongAudience => "wrong_audience",
            Self::NoneToBeHad => "no_refresh_token",
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
            Self::Provider(ProviderError::Refused { .. } | ProviderError::Invalid(_))
            | Self::WrongAudience
            | Self::NoneToBeHad
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
            SessionError::Store(error) => store_away(&error.to_string()),
            SessionError::NoKeys => provider_trouble(&ProviderError::Unavailable {
                why: error.to_string(),
                retry_after: 1,
            }),
            SessionError::EndedMeanwhile => not_signed_in(),
            SessionError::TooLarge(_) | SessionError::Opaque => {
                tracing::error!("a session fits no cookie: {error}");
                Self::new(StatusCode::BAD_GATEWAY, "Session fits no cookie")
                    .detail("What the identity provider gave does not fit the cookies of this session's mode.")
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
            TokenError::Store(why) => store_away(&why),
            TokenError::Provider(error) => provider_trouble(&error),
            TokenError::WrongAudience => Self::new(StatusCode::BAD_GATEWAY, "Wrong access token")
                .detail("The identity provider gave an access token for another API than the one asked for."),
            TokenError::NoneToBeHad => Self::new(StatusCode::BAD_GATEWAY, "No access token")
                .detail("The identity provider gave this session no way to get an access token for this API."),
            TokenError::TookTooLong => Self::new(StatusCode::SERVICE_UNAVAILABLE, "Busy")
                .detail("Another request of this session is still waiting for its access token.")
                .retry_after(1),
        }
    }
}

/// 401 for whoever has no session. Nothing is changed about the cookie.
pub(crate) fn not_signed_in() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "Not signed in")
        .detail("There is no live session. Sign in at /login.")
        // RFC 9110 §15.5.2: a 401 names a way to authenticate.
        .www_authenticate("Session login=\"/login\"".to_owned())
}

/// 503 for an outage of the store. The cookie stays, and so does the session.
pub(crate) fn store_away(why: &str) -> Problem {
    tracing::warn!("the store failed a request: {why}");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Session store away")
        .detail("The session store does not answer now. Your session is kept: try again.")
        .retry_after(1)
}

/// 503 or 502, depending on whether trying again can help. The session stays.
pub(crate) fn provider_trouble(error: &ProviderError) -> Problem {
    match error {
        ProviderError::Unavailable { retry_after, .. }
        | ProviderError::Throttled { retry_after } => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Identity provider away")
                .detail(
                    "The identity provider does not answer now. Your session is kept: try again.",
                )
                .retry_after(*retry_after)
        }
        ProviderError::Refused { code } => {
            Problem::new(StatusCode::BAD_GATEWAY, "Identity provider refused").detail(format!(
                "The identity provider refused: {}.",
                oauth_types::error::sentence(code)
            ))
        }
        ProviderError::Invalid(_) => {
            Problem::new(StatusCode::BAD_GATEWAY, "Identity provider unreadable")
                .detail("The identity provider's answer could not be used. The log says why.")
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
