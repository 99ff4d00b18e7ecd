//! The secrets in the response to a form. They are derived from the unguessable id of
//! the form and a key that is not in the store. So a form that is submitted twice gets
//! the same response, and the store holds no secret.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kit::{clock::Timestamp, seal::KEY_LEN};

use crate::derived_key::derived_key;

/// Derives the secrets.
#[derive(Clone)]
pub struct FormSecrets {
    key: Arc<hmac::Key>,
}

impl FormSecrets {
    /// With a key derived from `master`.
    pub fn new(master: &[u8; KEY_LEN]) -> Self {
        Self {
            key: Arc::new(derived_key(master, "sso-lab form secrets v1")),
        }
    }

    /// The code that the form `id` leads to.
    pub fn code(&self, id: &str) -> String {
        self.derived(&["code", id])
    }

    /// The code that the pushed request whose record is `id` leads to.
    pub fn code_of_pushed(&self, id: &str) -> String {
        self.derived(&["code of pushed request", id])
    }

    /// The secret of the login session `sid` that the form `id` began or continued at the
    /// time `at`.
    pub fn session(&self, id: &str, sid: &str, at: Timestamp) -> String {
        self.derived(&["session", id, sid, &at.millis().to_string()])
    }

    fn derived(&self, parts: &[&str]) -> String {
        // No part contains a line break.
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, parts.join("\n").as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookies::TOKEN_LEN;

    #[test]
    fn each_form_session_and_moment_has_its_own() {
        let secrets = FormSecrets::new(&[7; KEY_LEN]);
        let at = Timestamp::from_millis;
        let all = [
            secrets.code("a"),
            secrets.code("b"),
            secrets.code_of_pushed("a"),
            secrets.session("a", "s", at(1)),
            secrets.session("a", "t", at(1)),
            secrets.session("a", "s", at(2)),
            FormSecrets::new(&[8; KEY_LEN]).code("a"),
        ];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert!(all.iter().all(|secret| secret.len() == TOKEN_LEN));
        assert_eq!(secrets.code("a"), all[0]);
    }
}
