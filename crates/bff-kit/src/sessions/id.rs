//! A session's id.

use std::fmt;

use kit::{random::Random, seal::fingerprint};

/// A session's id as the browser's cookie has it: a bearer secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SessionId(String);

impl SessionId {
    /// A new one, of 256 bits.
    pub(crate) fn new(random: &dyn Random) -> Self {
        Self(random.token())
    }

    /// Reads a cookie's value if it has the form of an id (43 characters of base64url):
    /// anything else costs no read of the store.
    pub(crate) fn read(cookie: &str) -> Option<Self> {
        is_id(cookie).then(|| Self(cookie.to_owned()))
    }

    /// For the cookie alone.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Its hash: the name of its record, and what users may see of it.
    pub(crate) fn handle(&self) -> Handle {
        Handle(fingerprint(&self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId([redacted])")
    }
}

/// Names a session and cannot open it: the hash of its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Handle(String);

impl Handle {
    /// Reads what has the form of a handle.
    pub(crate) fn read(text: &str) -> Option<Self> {
        is_id(text).then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// 256 bits in base64url, as [`Random::token`] and [`fingerprint`] write them.
fn is_id(text: &str) -> bool {
    text.len() == 43
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use kit::random::SeededRandom;

    use super::*;

    #[test]
    fn ids_and_handles_have_one_form_and_nothing_else_is_either() {
        let id = SessionId::new(&SeededRandom::new(1));
        assert_eq!(SessionId::read(id.expose()), Some(id.clone()));
        assert!(Handle::read(id.handle().as_str()).is_some());
        for wrong in ["", "a", &"a".repeat(44), &"%".repeat(43)] {
            assert_eq!(SessionId::read(wrong), None, "{wrong}");
            assert_eq!(Handle::read(wrong), None, "{wrong}");
        }
    }
}
