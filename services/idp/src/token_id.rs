//! The `jti` of access tokens. It carries what the provider has to know of a token
//! that comes back: the grant or the client that it stems from, and whether it was
//! exchanged.
//!
//! | token | `jti` |
//! |---|---|
//! | of a user's grant | `GRANT.UNIQUE` |
//! | without a grant | `UNIQUE` |
//! | exchanged, of a user's grant | `GRANT.x.UNIQUE` |
//! | exchanged, without a grant | `.CLIENT.UNIQUE` (the first client, base64url) |

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_types::claims::AccessToken;

/// Marks an exchanged token of a grant.
const EXCHANGED: &str = "x";

/// What an access token stems from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A user's grant.
    Grant(String),
    /// A client that got the token without a grant: for itself, or for a user whom it
    /// named.
    Client(String),
}

impl Origin {
    /// The origin of `token`.
    pub fn of(token: &AccessToken) -> Self {
        if let Some(grant) = grant_of(&token.jti) {
            return Self::Grant(grant.to_owned());
        }
        let first = token.jti.strip_prefix('.');
        let first = first.and_then(|rest| rest.split_once('.'));
        let first = first.and_then(|(client, _)| URL_SAFE_NO_PAD.decode(client).ok());
        let first = first.and_then(|bytes| String::from_utf8(bytes).ok());
        Self::Client(first.unwrap_or_else(|| token.client_id.clone()))
    }

    /// The `jti` of an exchanged token.
    pub fn exchanged(&self, unique: &str) -> String {
        match self {
            Self::Grant(grant) => format!("{grant}.{EXCHANGED}.{unique}"),
            Self::Client(client) => format!(".{}.{unique}", URL_SAFE_NO_PAD.encode(client)),
        }
    }
}

/// The `jti` of a token that was not exchanged.
pub fn direct(grant: Option<&str>, unique: String) -> String {
    match grant {
        Some(grant) => format!("{grant}.{unique}"),
        None => unique,
    }
}

/// The grant that the access token with this `jti` belongs to.
pub fn grant_of(jti: &str) -> Option<&str> {
    let (grant, _) = jti.split_once('.')?;
    (!grant.is_empty()).then_some(grant)
}

/// Whether `token` was exchanged for another one.
pub fn is_exchanged(token: &AccessToken) -> bool {
    // A token of the version before has an actor and no mark.
    token.act.is_some() || token.jti.split('.').count() == 3
}

#[cfg(test)]
mod tests {
    use oauth_types::{Scope, claims::Audience};
    use proptest::prelude::*;

    use super::*;

    fn token(jti: String) -> AccessToken {
        AccessToken {
            iss: "i".into(),
            aud: Audience::One("a".into()),
            sub: "s".into(),
            client_id: "last".into(),
            iat: 1,
            exp: 2,
            jti,
            scope: Scope::empty(),
            auth_time: None,
            acr: None,
            sid: None,
            roles: Vec::new(),
            email: None,
            act: None,
            may_act: None,
            cnf: None,
        }
    }

    #[test]
    fn a_jti_says_where_its_token_stems_from_and_whether_it_was_exchanged() {
        let grant = Origin::Grant("grant".into());
        let first = Origin::Client("a client. of: any name".into());
        let last = Origin::Client("last".into());
        for (jti, origin, exchanged) in [
            (direct(Some("grant"), "u".into()), &grant, false),
            (direct(None, "u".into()), &last, false),
            (grant.exchanged("u"), &grant, true),
            (first.exchanged("u"), &first, true),
        ] {
            let token = token(jti);
            assert_eq!(Origin::of(&token), *origin, "{}", token.jti);
            assert_eq!(is_exchanged(&token), exchanged, "{}", token.jti);
        }
        assert_eq!(grant_of(&grant.exchanged("u")), Some("grant"));
        assert_eq!(grant_of(&first.exchanged("u")), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn an_origin_is_read_back_whatever_its_client_is_called(client in ".{0,128}", unique in "[A-Za-z0-9_-]{22}") {
            let origin = Origin::Client(client);
            let token = token(origin.exchanged(&unique));
            prop_assert_eq!(Origin::of(&token), origin);
            prop_assert!(is_exchanged(&token));
            prop_assert_eq!(grant_of(&token.jti), None);
        }

        #[test]
        fn any_jti_is_read(jti in ".{0,64}") {
            let token = token(jti);
            let is_grants = matches!(Origin::of(&token), Origin::Grant(_));
            prop_assert_eq!(is_grants, grant_of(&token.jti).is_some());
        }
    }
}
