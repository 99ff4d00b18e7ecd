//! Errors of the token endpoint and similar endpoints.

use std::time::Duration;

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use kit::clock::whole_secs;
use oauth_types::{ErrorBody, ErrorCode, params::BadParams};
use web_kit::body::BodyError;

use crate::{
    keys::SignError,
    records::{ChangeError, RecordError},
};

/// An error with the protocol's code and a sentence for the developer of the client.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code}: {description}")]
pub struct OAuthError {
    /// The code.
    pub code: ErrorCode,
    /// The sentence.
    pub description: String,
    /// Whether the client used HTTP Basic: the response then names it (RFC 6749 §5.2).
    pub tried_basic: bool,
    /// The HTTP status, if it is not the usual one of the code.
    pub status: Option<StatusCode>,
    /// The time to wait after too many attempts.
    pub wait: Option<Duration>,
    /// The nonce that the client has to use in its DPoP proof (RFC 9449 §8).
    pub dpop_nonce: Option<String>,
}

impl OAuthError {
    /// With a sentence.
    pub fn new(code: ErrorCode, description: impl Into<String>) -> Self {
        Self {
            code,
            description: description.into(),
            tried_basic: false,
            status: None,
            wait: None,
            dpop_nonce: None,
        }
    }

    /// `invalid_request`.
    pub fn request(description: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    /// `invalid_grant`.
    pub fn grant(description: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidGrant, description)
    }

    /// `invalid_client`.
    pub fn client(description: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidClient, description)
    }

    /// Too many attempts: 429 with the time to wait.
    pub fn too_early(description: impl Into<String>, wait: Duration) -> Self {
        let error = Self::new(ErrorCode::TemporarilyUnavailable, description);
        Self {
            status: Some(StatusCode::TOO_MANY_REQUESTS),
            wait: Some(wait),
            ..error
        }
    }

    /// The same, for a client that used HTTP Basic.
    #[must_use]
    pub fn after_basic(mut self) -> Self {
        self.tried_basic = true;
        self
    }
}

impl From<RecordError> for OAuthError {
    fn from(error: RecordError) -> Self {
        tracing::warn!("{error}");
        Self::new(
            ErrorCode::TemporarilyUnavailable,
            "The store is unavailable. Try again.",
        )
    }
}

impl From<store::StoreError> for OAuthError {
    fn from(error: store::StoreError) -> Self {
        RecordError::from(error).into()
    }
}

impl From<ChangeError> for OAuthError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Ended => Self::grant("The grant, or its login session, has ended."),
            ChangeError::Contended => Self::new(
                ErrorCode::TemporarilyUnavailable,
                "Too many concurrent requests for this grant. Try again.",
            ),
            ChangeError::Record(error) => error.into(),
        }
    }
}

impl From<SignError> for OAuthError {
    fn from(error: SignError) -> Self {
        if matches!(error, SignError::NotLoaded) {
            let why = "The provider has not reached its store yet. Try again.";
            return Self::new(ErrorCode::TemporarilyUnavailable, why);
        }
        tracing::error!("{error}");
        Self::new(ErrorCode::ServerError, "The token could not be signed.")
    }
}

impl From<BodyError> for OAuthError {
    fn from(error: BodyError) -> Self {
        let code = match error {
            BodyError::NoRoom => ErrorCode::TemporarilyUnavailable,
            _ => ErrorCode::InvalidRequest,
        };
        Self {
            status: Some(error.status()),
            ..Self::new(code, error.to_string())
        }
    }
}

impl From<BadParams> for OAuthError {
    fn from(error: BadParams) -> Self {
        Self::request(error.to_string())
    }
}

impl ResponseError for OAuthError {
    fn status_code(&self) -> StatusCode {
        if let Some(status) = self.status {
            return status;
        }
        match self.code {
            ErrorCode::InvalidClient => StatusCode::UNAUTHORIZED,
            ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        match self.code {
            ErrorCode::InvalidClient if self.tried_basic => {
                response.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"sso-lab\""));
            }
            ErrorCode::TemporarilyUnavailable => {
                let seconds = self.wait.map_or(1, whole_secs);
                response.insert_header((header::RETRY_AFTER, seconds.to_string()));
            }
            _ => {}
        }
        if let Some(nonce) = &self.dpop_nonce {
            response.insert_header((token_verify::dpop::NONCE_HEADER, nonce.as_str()));
        }
        response.json(ErrorBody::new(self.code, &self.description))
    }
}
