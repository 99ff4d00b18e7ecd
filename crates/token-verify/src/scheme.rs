//! The schemes by which a request presents an access token.

use oauth_types::names::access_token_type;

/// The scheme of `Authorization`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// RFC 6750 §2.1.
    Bearer,
    /// RFC 9449 §7.1.
    Dpop,
}

impl Scheme {
    /// The scheme `name`, in any case.
    pub fn named(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case(access_token_type::BEARER) {
            Some(Self::Bearer)
        } else if name.eq_ignore_ascii_case(access_token_type::DPOP) {
            Some(Self::Dpop)
        } else {
            None
        }
    }

    /// The scheme that a request used, or the usual one.
    pub(crate) fn of(authorization: &[&[u8]]) -> Self {
        let one = authorization.first().copied().unwrap_or_default();
        let scheme = one.split(|byte| *byte == b' ').next().unwrap_or_default();
        let scheme = std::str::from_utf8(scheme).ok().and_then(Self::named);
        scheme.unwrap_or(Self::Bearer)
    }
}
