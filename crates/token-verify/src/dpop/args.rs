//! The settings of resource servers: whether they require nonces, and how many used proofs
//! they keep.

use std::{ops::RangeInclusive, path::PathBuf};

use aws_lc_rs::hmac;
use clap::Args;
use kit::config::{Problems, secret_length};
use secrecy::ExposeSecret as _;

use super::Nonces;

/// The least characters of the key.
const MIN_KEY: usize = 32;
const KEY: &str = "API_DPOP_NONCE_KEY";
/// The range of the limit on used proofs.
const PER_CALLER: RangeInclusive<usize> = 100..=10_000_000;

/// Settings of the APIs for DPoP.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "DPoP")]
pub struct ProofArgs {
    /// Key of the nonces that the APIs require in DPoP proofs, at least 32 characters, the same at all replicas; without a key they require none
    #[arg(
        long,
        env = "API_DPOP_NONCE_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub api_dpop_nonce_key: Option<String>,
    /// File that holds API_DPOP_NONCE_KEY
    #[arg(long, env = "API_DPOP_NONCE_KEY_FILE", value_name = "FILE")]
    pub api_dpop_nonce_key_file: Option<PathBuf>,
    /// Most used DPoP proofs of one client with the tokens of one user that have not expired, in one process of an API; beyond that, the client has to wait (100 to 10000000)
    #[arg(
        long,
        env = "API_DPOP_PROOFS_PER_CALLER",
        default_value = "60000",
        value_name = "N"
    )]
    pub api_dpop_proofs_per_caller: String,
}

impl ProofArgs {
    /// The most used proofs of one caller. Errors are added to `problems`.
    pub fn per_caller(&self, problems: &mut Problems) -> Option<usize> {
        let text = &self.api_dpop_proofs_per_caller;
        problems.number("API_DPOP_PROOFS_PER_CALLER", text, &PER_CALLER)
    }

    /// The nonces of the resource server for `audience`; none: it requires none. Errors are
    /// added to `problems`.
    pub fn nonces(&self, audience: &str, problems: &mut Problems) -> Option<Nonces> {
        let file = self.api_dpop_nonce_key_file.as_deref();
        let key = problems.secret(KEY, self.api_dpop_nonce_key.as_deref(), file)?;
        if secret_length(&key) < MIN_KEY {
            let why = format_args!(
                "at least {MIN_KEY} characters, for example from `openssl rand -hex 32`"
            );
            problems.add(KEY, why);
            return None;
        }
        // Each resource server has a key of its own.
        let master = hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret().as_bytes());
        let own = hmac::sign(&master, audience.as_bytes());
        Some(Nonces::new(hmac::Key::new(hmac::HMAC_SHA256, own.as_ref())))
    }
}

#[cfg(test)]
mod tests {
    use kit::clock::Timestamp;

    use super::*;

    fn nonces(key: Option<&str>, audience: &str) -> (Option<String>, Vec<String>) {
        let args = ProofArgs {
            api_dpop_nonce_key: key.map(str::to_owned),
            api_dpop_nonce_key_file: None,
            api_dpop_proofs_per_caller: "100".to_owned(),
        };
        let mut problems = Problems::new();
        let nonces = args.nonces(audience, &mut problems);
        let nonce = nonces.map(|nonces| nonces.current(Timestamp::from_secs(1)));
        (nonce, problems.lines().to_vec())
    }

    #[test]
    fn each_api_has_nonces_of_its_own_if_there_is_a_key() {
        let key = Some("0123456789abcdef0123456789abcdef");
        let (first, problems) = nonces(key, "https://api-1");
        assert!(first.is_some() && problems.is_empty());
        assert_eq!(nonces(key, "https://api-1").0, first);
        assert_ne!(nonces(key, "https://api-2").0, first);
        assert_eq!(nonces(None, "https://api-1"), (None, Vec::new()));
        let (none, problems) = nonces(Some("short"), "https://api-1");
        assert!(none.is_none() && problems[0].starts_with("API_DPOP_NONCE_KEY: "));
    }
}
