//! The forms of the lab's own pages: each is read last, within the limit of its route, and
//! says nothing twice.

use actix_web::{HttpRequest, http::StatusCode};
use oauth_types::params::{BadParams, Limits, Params};
use web_kit::body::{Body, BodyError, is_form};

/// The most fields of a form.
const MAX_FIELDS: usize = 64;

/// Why a form is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadForm {
    /// `Content-Type` is another one.
    #[error("The body must be application/x-www-form-urlencoded.")]
    ContentType,
    /// The body did not arrive, or is too long.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// It is no text.
    #[error("The body is not UTF-8.")]
    Encoding,
    /// A field that may be there once is there twice, or there are too many.
    #[error(transparent)]
    Params(#[from] BadParams),
    /// A field does not say what it should.
    #[error("{0}")]
    Field(String),
}

impl BadForm {
    /// The HTTP status.
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Body(error) => error.status(),
            Self::Encoding | Self::Params(_) | Self::Field(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// The fields of the form that `req` brings, whose `body` has at most `most` bytes. A
/// request without a body has no fields.
pub(crate) async fn read(req: &HttpRequest, body: Body, most: usize) -> Result<Params, BadForm> {
    let body = body.read(most).await?;
    if !body.is_empty() && !is_form(req.headers()) {
        return Err(BadForm::ContentType);
    }
    std::str::from_utf8(&body).map_err(|_| BadForm::Encoding)?;
    let limits = Limits {
        bytes: most,
        count: MAX_FIELDS,
    };
    Ok(Params::parse(&body, limits)?)
}
