//! The APIs that the apps call, and what a login asks for.

use oauth_types::Scope;

/// An API, as a BFF knows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Audience {
    /// Its name in the `aud` of tokens.
    pub(crate) uri: &'static str,
    /// The path of its calls in this app.
    pub(crate) path: &'static str,
    /// The cookie of its access token, in `hybrid` and `stateless`.
    pub(crate) cookie: &'static str,
}

impl Audience {
    /// All of them.
    pub(crate) const ALL: [&'static Self; 2] = [&API1, &API2];

    /// The API with this name in the `aud` of tokens.
    pub(crate) fn named(uri: &str) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|audience| audience.uri == uri)
    }
}

/// API-1, orders.
pub(crate) static API1: Audience = Audience {
    uri: "https://api-1",
    path: "/api1",
    cookie: "__Secure-access_api1",
};
/// API-2, inventory.
pub(crate) static API2: Audience = Audience {
    uri: "https://api-2",
    path: "/api2",
    cookie: "__Secure-access_api2",
};
/// The audience of a login's access token that does not name one.
pub(crate) static FIRST: &Audience = &API1;

/// The scopes of a login: those of every API, so that one refresh token renews the access
/// tokens for each of them (RFC 8707 §2.2).
pub(crate) fn scope() -> Scope {
    [
        "openid",
        "profile",
        "email",
        "offline_access",
        "https://api-1/read",
        "https://api-1/write",
        "https://api-2/read",
        "https://api-2/write",
    ]
    .into_iter()
    .collect()
}
