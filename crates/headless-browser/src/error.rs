//! Why a request has no response, or a navigation no page.

use kit::net::{MAX_ANSWER, why};
use url::Url;

use super::{MAX_REDIRECTS, response::Response};

/// Why a request has no response, or a navigation no page.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not a URL.
    #[error("{url:?}: {source}")]
    Url {
        /// The text.
        url: String,
        /// What is wrong with it.
        source: url::ParseError,
    },
    /// A header of the request contains characters that a header cannot contain.
    #[error("invalid header {0:?}")]
    Header(String),
    /// The request needs a current page, and the browser shows none.
    #[error("no page is shown")]
    NoPage,
    /// The connection failed, or the response was late.
    #[error("{url}: {}", why(source))]
    Http {
        /// The URL of the request.
        url: Url,
        /// The failure.
        source: reqwest::Error,
    },
    /// The body is longer than [`MAX_ANSWER`]. The response is without its body.
    #[error("{0}: the body is longer than {MAX_ANSWER} bytes")]
    TooLarge(Box<Response>),
    /// The response would be one redirect too many.
    #[error("{0}: more than {MAX_REDIRECTS} redirects")]
    TooManyRedirects(Box<Response>),
    /// The response redirects to a URL that is neither http nor https.
    #[error("{0}: redirects to a URL that is not http or https")]
    RedirectScheme(Box<Response>),
}
