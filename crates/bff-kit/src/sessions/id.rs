//! A session's id, its handle, and the key of its record in the store.

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

/// The keys in the store of an app's sessions.
#[derive(Clone)]
pub(super) struct RecordKeys {
    prefix: String,
}

impl RecordKeys {
    /// Those of the app `client_id`.
    pub(super) fn new(client_id: &str) -> Self {
        Self {
            prefix: format!("bff:{client_id}:session:"),
        }
    }

    /// What each key begins with, in front of the handle.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The key of the session of `handle`.
    pub(super) fn key(&self, handle: &Handle) -> String {
        [&self.prefix, handle.as_str()].concat()
    }

    /// Whose key this is.
    pub(super) fn handle(&self, key: &str) -> Option<Handle> {
        Handle::read(key.strip_prefix(&self.prefix)?)
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

    #[test]
    fn a_key_names_a_session_of_its_own_app() {
        let keys = RecordKeys::new("app1");
        let handle = SessionId::new(&SeededRandom::new(1)).handle();
        let key = keys.key(&handle);
        assert_eq!(keys.handle(&key), Some(handle));
        assert_eq!(RecordKeys::new("app2").handle(&key), None);
        assert_eq!(keys.handle("bff:app1:session:x"), None);
    }
}
