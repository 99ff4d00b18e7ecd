//! The problems that several modules answer with.

use actix_web::http::StatusCode;
use web_kit::problem::Problem;

use crate::provider::ProviderError;

/// 401 without a session. The cookie stays as it is.
pub(crate) fn not_signed_in() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "Not signed in")
        .detail("There is no live session. Sign in at /login.")
        // RFC 9110 §15.5.2: a 401 names a way to authenticate.
        .www_authenticate("Session login=\"/login\"".to_owned())
}

/// 503 for an outage of the store. The session and its cookie stay.
pub(crate) fn store_unreachable(why: &str) -> Problem {
    tracing::warn!("the store failed a request: {why}");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Session store unavailable")
        .detail("The session store is not answering. Your session is kept. Try again.")
        .retry_after(1)
}

/// 503 where a later try can help, 502 otherwise. The session stays.
pub(crate) fn provider_failed(error: &ProviderError) -> Problem {
    match error {
        ProviderError::Unavailable { retry_after, .. }
        | ProviderError::Throttled { retry_after } => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Identity provider unavailable",
        )
        .detail("The identity provider is not answering. Your session is kept. Try again.")
        .retry_after(*retry_after),
        ProviderError::Refused { code } => {
            Problem::new(StatusCode::BAD_GATEWAY, "Refused by the identity provider").detail(
                format!(
                    "The identity provider refused the request: {}.",
                    oauth_types::error::sentence(code)
                ),
            )
        }
        ProviderError::Invalid(_) | ProviderError::OutOfTime(_) => Problem::new(
            StatusCode::BAD_GATEWAY,
            "Invalid response from the identity provider",
        )
        .detail("The identity provider's response is not valid. See the log."),
    }
}
