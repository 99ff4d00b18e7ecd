//! The tokens of a user that a session keeps.

use crate::audiences::{Audience, FIRST};

/// A kind of access token that a session keeps for an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserToken {
    /// The user's own, by the refresh token.
    Own,
    /// Exchanged for the user's own.
    Exchanged,
    /// By an assertion that names the user.
    Asserted,
}

impl UserToken {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Own, Self::Exchanged, Self::Asserted];

    /// Its name in a session that has one for `audience`.
    pub(crate) const fn key(self, audience: &Audience) -> &'static str {
        match self {
            Self::Own => audience.uri,
            Self::Exchanged => audience.exchanged,
            Self::Asserted => audience.asserted,
        }
    }

    /// The audience that the session's token with the name `key` is for.
    pub(crate) fn audience_of(key: &str) -> &str {
        key.rsplit_once(' ').map_or(key, |(_, audience)| audience)
    }

    /// The audience of the user's own token that one for `audience` is made from, or
    /// whose renewal proves that the user's login goes on.
    pub(crate) const fn made_from(self, audience: &'static Audience) -> &'static Audience {
        match self {
            Self::Own | Self::Asserted => audience,
            // One token of the user is exchanged for each API: that of the login.
            Self::Exchanged => FIRST,
        }
    }

    /// Whether the provider refuses to make it once the user's login has ended. For any
    /// other kind the refresh token is redeemed first, so that no token outlives the
    /// login by more than its own lifetime.
    pub(crate) const fn proves_the_login(self) -> bool {
        matches!(self, Self::Own | Self::Exchanged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audiences::{API1, API2};

    #[test]
    fn each_kind_for_each_api_has_a_name_of_its_own_that_tells_the_api() {
        let mut names = Vec::new();
        for audience in [&API1, &API2] {
            for kind in UserToken::ALL {
                let key = kind.key(audience);
                assert_eq!(UserToken::audience_of(key), audience.uri);
                names.push(key);
            }
            // As sessions of earlier versions have it.
            assert_eq!(UserToken::Own.key(audience), audience.uri);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 6);
    }
}
