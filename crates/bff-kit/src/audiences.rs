//! The APIs that the apps call, and what a login asks for.

use oauth_types::Scope;

/// API-1, orders.
pub(crate) const API1: &str = "https://api-1";
/// API-2, inventory.
pub(crate) const API2: &str = "https://api-2";
/// Whom a login's access token is for where it does not say.
pub(crate) const FIRST: &str = API1;

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
