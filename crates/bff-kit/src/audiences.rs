//! The APIs that the apps call, and what a login asks for.

use oauth_types::Scope;

/// An API, as a BFF knows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Audience {
    /// What tokens name it.
    pub(crate) uri: &'static str,
    /// Where this app offers it.
    pub(crate) path: &'static str,
    /// The cookie that holds its access token, in the modes that carry tokens.
    pub(crate) cookie: &'static str,
}

impl Audience {
    /// All of them.
    pub(crate) const ALL: [&'static Self; 2] = [&API1, &API2];

    /// The one that tokens name `uri`.
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
/// Whom a login's access token is for where it does not say.
pub(crate) static FIRST: &Audience = &API1;

/// What a login asks for: the scopes of every API at once; one refresh token then mints the access
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
