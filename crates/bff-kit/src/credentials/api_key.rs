//! `api_key`: API keys, for programs without OAuth. API-1 takes such a fixed secret in
//! place of an access token. The API knows the app by the key's name, and no user.

use std::fmt;

use http::{HeaderName, HeaderValue};

/// The header that brings it.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// An API key, as the value of its header. A clone only counts a reference.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ApiKey(HeaderValue);

impl ApiKey {
    /// `None` for a text that does not fit a header, or is empty.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(text).ok()?;
        value.set_sensitive(true);
        (!value.is_empty()).then_some(Self(value))
    }

    /// For a call.
    pub(super) const fn header(&self) -> &HeaderValue {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_fits_a_header_and_is_never_shown() {
        let key = ApiKey::read("api1_secret").unwrap();
        assert!(key.header().is_sensitive());
        assert!(!format!("{key:?}").contains("secret"));
        assert!(ApiKey::read("").is_none() && ApiKey::read("a\nb").is_none());
    }
}
