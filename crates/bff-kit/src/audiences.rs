//! The APIs that the apps call, and what a login asks for.

use oauth_types::Scope;
use serde::{Deserialize, Serialize};

/// An API, as a BFF knows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Audience {
    /// Its name in the `aud` of tokens.
    pub(crate) uri: &'static str,
    /// The path of its calls in this app.
    pub(crate) path: &'static str,
    /// The cookie of its access token, in `hybrid` and `stateless`.
    pub(crate) cookie: &'static str,
    /// The name of an exchanged token for it in a session, and of one by an assertion.
    pub(crate) exchanged: &'static str,
    pub(crate) asserted: &'static str,
}

/// Something that each API has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PerApi<T> {
    pub(crate) api1: T,
    pub(crate) api2: T,
}

impl<T: Default + PartialEq> PerApi<T> {
    /// Whether it is what nobody has set.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl<T> PerApi<T> {
    /// That of `audience`.
    pub(crate) fn of(&self, audience: &'static Audience) -> &T {
        if std::ptr::eq(audience, &raw const API1) {
            &self.api1
        } else {
            &self.api2
        }
    }
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
    exchanged: "exchanged https://api-1",
    asserted: "asserted https://api-1",
};
/// API-2, inventory.
pub(crate) static API2: Audience = Audience {
    uri: "https://api-2",
    path: "/api2",
    cookie: "__Secure-access_api2",
    exchanged: "exchanged https://api-2",
    asserted: "asserted https://api-2",
};
/// The audience of a login's access token, if the token does not name exactly one.
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

/// Those of `audience`.
pub(crate) fn scope_of(audience: &str) -> Scope {
    scope().filter(|token| belongs_to(token, audience))
}

/// Whether the scope `token` belongs to `audience`, as `https://api-1/read` does.
fn belongs_to(token: &str, audience: &str) -> bool {
    token
        .strip_prefix(audience)
        .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_belongs_to_the_audience_that_it_begins_with() {
        assert!(belongs_to("https://api-1/read", "https://api-1"));
        assert!(!belongs_to("https://api-10/read", "https://api-1"));
        assert!(!belongs_to("openid", "https://api-1"));
    }
}
