//! The published secrets and passwords of the demo. Outside localhost they are refused,
//! unless `--demo-credentials` is set.

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use super::{Common, Problems, secret_length};

/// The secrets of the demo's clients.
pub const SECRETS: [&str; 5] = [
    "app1-secret",
    "api-1-secret",
    "api-2-secret",
    "batch-secret",
    "demo-rp-secret",
];

/// The passwords of the demo's users.
pub const PASSWORDS: [&str; 3] = ["wonderland", "builder", "chess"];

/// The least number of characters of a client's secret outside localhost.
const MIN_SECRET: usize = 16;

impl Common {
    /// Whether the demo's secrets and passwords are accepted: on localhost, which other
    /// machines cannot reach, or with `--demo-credentials`.
    pub fn allows_demo_credentials(&self) -> bool {
        self.demo_credentials || self.addresses.is_localhost()
    }

    /// Refuses a client's secret outside localhost if it is published or too short.
    pub fn check_client_secret(&self, key: &str, secret: &SecretString, problems: &mut Problems) {
        if self.addresses.is_localhost() {
            return;
        }
        if SECRETS.contains(&secret.expose_secret()) {
            if !self.demo_credentials {
                problems.add(key, "this is the demo's published secret: outside localhost it is accepted only with --demo-credentials");
            }
        } else if secret_length(secret) < MIN_SECRET {
            let what = format_args!(
                "at least {MIN_SECRET} characters outside localhost, for example from `openssl rand -hex 32`"
            );
            problems.add(key, what);
        }
    }

    /// The secret of a client; if none is given, the demo's.
    pub fn secret_or_demo(
        &self,
        key: &str,
        (value, file): (Option<&str>, Option<&Path>),
        demo: &str,
        problems: &mut Problems,
    ) -> Option<SecretString> {
        if value.is_some() || file.is_some() {
            let secret = problems.secret(key, value, file)?;
            self.check_client_secret(key, &secret, problems);
            return Some(secret);
        }
        if self.allows_demo_credentials() {
            return Some(demo.into());
        }
        problems.add(key, "required outside localhost, unless --demo-credentials accepts the demo's published secret");
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Addresses;

    fn at(domain: &str, demo_credentials: bool) -> Common {
        Common {
            addresses: Addresses::new("https", domain, 0),
            demo_credentials,
            ..Common::unusable()
        }
    }

    fn is_taken(common: &Common, secret: &str) -> bool {
        let mut problems = Problems::new();
        let given = (Some(secret), None);
        let read = common.secret_or_demo("APP1_CLIENT_SECRET", given, "demo", &mut problems);
        assert!(!problems.to_string().contains(secret), "{problems}");
        read.is_some() && problems.is_empty()
    }

    #[test]
    fn secrets_that_everybody_knows_serve_localhost_alone() {
        for known in SECRETS {
            for local in ["localhost", "team.localhost"] {
                assert!(is_taken(&at(local, false), known), "{known} at {local}");
            }
            for elsewhere in ["sso.example.com", "notlocalhost", "localhost.example.com"] {
                assert!(
                    !is_taken(&at(elsewhere, false), known),
                    "{known} at {elsewhere}"
                );
                assert!(
                    is_taken(&at(elsewhere, true), known),
                    "{known} at {elsewhere}"
                );
            }
        }
    }

    #[test]
    fn a_secret_has_16_characters_outside_localhost() {
        for (secret, is_long) in [
            ("?", false),
            ("0123456789abcde", false),
            ("0123456789abcdef", true),
            (" 0123456789abcde\t", false),
            ("  0123456789 abcdef  ", true),
        ] {
            assert!(is_taken(&at("localhost", false), secret));
            for demo in [false, true] {
                assert_eq!(
                    is_taken(&at("sso.example.com", demo), secret),
                    is_long,
                    "{secret}"
                );
            }
        }
    }

    #[test]
    fn no_secret_at_all_is_the_demos_where_that_serves() {
        for (common, is_taken) in [
            (at("localhost", false), true),
            (at("sso.example.com", false), false),
            (at("sso.example.com", true), true),
        ] {
            let mut problems = Problems::new();
            let secret = common.secret_or_demo("S", (None, None), "app1-secret", &mut problems);
            assert_eq!(secret.is_some(), is_taken, "{problems}");
        }
    }
}
