//! Why a body is not there.

use actix_web::{HttpResponse, ResponseError, http::StatusCode};

use crate::problem::Problem;

/// How soon a client may come back that found no room, in seconds.
const COME_BACK: u64 = 1;

/// Why a body is not there.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Longer than its route takes.
    #[error("The body may have {0} bytes here.")]
    TooLarge(usize),
    /// It came too slowly.
    #[error("The body came too slowly.")]
    TooSlow,
    /// Too much is being received.
    #[error("Too much is being received at the moment. Try again.")]
    NoRoom,
    /// The connection broke, or what came is no body.
    #[error("The body did not arrive whole.")]
    Broken,
    /// It does not say that it is JSON.
    #[error("The body must be application/json.")]
    NotJson,
    /// It is not the JSON that is wanted.
    #[error("The body cannot be read: {0}.")]
    Json(serde_json::Error),
}

impl BodyError {
    /// Its status.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Broken | Self::Json(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// `Retry-After`, in seconds, where it may come again as it is.
    pub const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::NoRoom => Some(COME_BACK),
            _ => None,
        }
    }
}

impl From<&BodyError> for Problem {
    fn from(error: &BodyError) -> Self {
        let problem = Self::new(error.status(), "The body cannot be taken");
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
