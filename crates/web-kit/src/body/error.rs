//! Errors of reading a body.

use actix_web::{HttpResponse, ResponseError, http::StatusCode};

use crate::problem::Problem;

/// `Retry-After` if the budget of buffered bytes is used up, in seconds.
const RETRY_AFTER: u64 = 1;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Longer than the route accepts.
    #[error("The body is longer than the {0} bytes allowed here.")]
    TooLarge(usize),
    /// The client sent too slowly.
    #[error("The body was sent too slowly.")]
    TooSlow,
    /// The budget of buffered bytes is used up.
    #[error("The server receives too much data at the moment. Try again.")]
    NoRoom,
    /// The connection broke, or the body is malformed.
    #[error("The body was not received completely.")]
    Broken,
    /// `Content-Type` is not JSON.
    #[error("The body must be application/json.")]
    NotJson,
    /// The JSON does not have the expected form.
    #[error("The body cannot be read: {0}.")]
    Json(serde_json::Error),
}

impl BodyError {
    /// The HTTP status.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Broken | Self::Json(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// `Retry-After` in seconds, if the same request may succeed later.
    pub const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::NoRoom => Some(RETRY_AFTER),
            _ => None,
        }
    }
}

impl From<&BodyError> for Problem {
    fn from(error: &BodyError) -> Self {
        let problem = Self::new(error.status(), "The body cannot be read");
        let problem = problem.detail(error.to_string());
        match error.retry_after() {
            Some(seconds) => problem.retry_after(seconds),
            None => problem,
        }
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        Self::from(&error)
    }
}

impl ResponseError for BodyError {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        Problem::from(self).error_response()
    }
}
