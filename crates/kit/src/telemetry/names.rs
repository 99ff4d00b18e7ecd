//! The registry of span names and attributes: every one that is used stands
//! here, with what it means. No secret is ever in one.

/// The target of every span.
pub const TARGET: &str = "sso";

/// Span names. A server's request span is `METHOD /route`, by the HTTP conventions.
pub mod span {
    /// The BFF makes state, nonce, PKCE and saves the pre-session.
    pub const PRE_SESSION: &str = "login.pre_session";
    /// The BFF pushes its authorization request (RFC 9126 §2).
    pub const PAR_PUSH: &str = "login.par_push";
    /// The BFF checks the callback's state and iss (RFC 9207 §2.4).
    pub const CALLBACK_CHECK: &str = "callback.check";
    /// The BFF redeems the code (RFC 6749 §4.1.3).
    pub const CODE_EXCHANGE: &str = "callback.code_exchange";
    /// The BFF checks the id_token (OIDC Core §3.1.3.7).
    pub const ID_TOKEN_CHECK: &str = "callback.id_token_check";
    /// The BFF saves the session, before the cookie is set.
    pub const SESSION_SAVE: &str = "callback.session_save";
    /// The BFF loads the session that a request's cookie names.
    pub const SESSION_LOAD: &str = "session.load";
    /// An access token for one audience, from the session or minted (RFC 8707 §2.2).
    pub const ACCESS_TOKEN: &str = "tokens.access_token";
    /// The refresh token is redeemed (RFC 6749 §6).
    pub const REFRESH: &str = "tokens.refresh";
    /// The BFF revokes the refresh token of a session that has ended (RFC 7009 §2.1).
    pub const REVOKE: &str = "logout.revoke";
    /// The BFF checks a logout token (OIDC Back-Channel Logout 1.0 §2.6).
    pub const LOGOUT_TOKEN_CHECK: &str = "logout.token_check";
    /// The BFF calls an API.
    pub const UPSTREAM: &str = "proxy.upstream";
    /// The provider checks an authorization request.
    pub const AUTHORIZE_CHECK: &str = "authorize.check";
    /// The provider checks a password.
    pub const PASSWORD: &str = "login.password";
    /// The provider issues a code (RFC 6749 §4.1.2).
    pub const CODE_ISSUE: &str = "authorize.code_issue";
    /// The provider authenticates a client (RFC 6749 §2.3, OIDC Core §9).
    pub const CLIENT_AUTH: &str = "token.client_auth";
    /// The provider runs a grant.
    pub const GRANT: &str = "token.grant";
    /// The provider tells an app that a login session is over (OIDC Back-Channel Logout §2.5).
    pub const BACKCHANNEL_LOGOUT: &str = "logout.backchannel";
    /// The provider signs a token.
    pub const SIGN: &str = "token.sign";
    /// A resource server checks an access token (RFC 9068 §4).
    pub const TOKEN_CHECK: &str = "api.token_check";
    /// API-1 exchanges the user's token (RFC 8693 §2).
    pub const TOKEN_EXCHANGE: &str = "api.token_exchange";
    /// API-1 calls API-2.
    pub const INVENTORY_CALL: &str = "api.inventory_call";
    /// One command to the store, or one script.
    pub const STORE: &str = "store";
}

/// Attribute names, in the order in which spans use them, beside the field's
/// `http.*` and `rpc.*`. The macros of `tracing` take names as literals only, so
/// a test holds every literal in the sources against this list.
pub const ATTRIBUTES: [(&str, &str); 9] = [
    ("sso.client_id", "The client"),
    ("sso.grant", "The grant type"),
    ("sso.audience", "The audience asked for"),
    (
        "sso.outcome",
        "How a step ended: ok, or the protocol's error code",
    ),
    (
        "sso.token_source",
        "Where an access token came from: session, minted, shared",
    ),
    (
        "sso.session_mode",
        "How the session is kept: stateful, stateless, hybrid or cached",
    ),
    ("db.system.name", "The store: redis or memory"),
    (
        "db.operation.name",
        "The store's operation: get, put, take, ...",
    ),
    ("enduser.id", "The user, by `sub` alone"),
];

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn sources(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(fs::read_to_string(path).unwrap());
            }
        }
    }

    /// What is written `"name" = value` in a span.
    fn attributes(source: &str) -> impl Iterator<Item = &str> {
        let quoted = source.split('"').skip(1).zip(source.split('"').skip(2));
        quoted
            .filter(|(_, after)| after.starts_with(" = "))
            .map(|(name, _)| name)
    }

    #[test]
    fn every_attribute_of_ours_stands_in_the_registry() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut found = Vec::new();
        for folder in ["crates", "services"] {
            sources(&root.join(folder), &mut found);
        }
        let ours = |name: &&str| {
            ["sso.", "db.", "enduser."]
                .iter()
                .any(|own| name.starts_with(own))
        };
        let used: Vec<_> = found
            .iter()
            .flat_map(|source| attributes(source))
            .filter(ours)
            .collect();
        assert!(used.len() > 10, "{used:?}");
        for name in used {
            assert!(ATTRIBUTES.iter().any(|(known, _)| *known == name), "{name}");
        }
    }
}
