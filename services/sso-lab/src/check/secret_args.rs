//! Secrets on the command line of `sso-lab check`: those for API-1, and what a secret that
//! is left out means.

use std::path::{Path, PathBuf};

use clap::Args;
use kit::config::Problems;
use secrecy::SecretString;

use crate::batch::ClientCredentials;

/// The client of API-1, and its secret in the built-in configuration.
const API1_CLIENT: &str = "api-1";
const API1_SECRET: &str = "api-1-secret";

/// What API-1's client and a program with an API key have.
#[derive(Args, Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "the fields name the flags and the variables"
)]
pub(super) struct Api1Args {
    /// The secret of API-1's client, which introspects a token; a file is safer [default on localhost: the demo's]
    #[arg(
        long,
        env = "API1_CLIENT_SECRET",
        hide_env_values = true,
        value_name = "SECRET",
        help_heading = "API-1's client (introspection)"
    )]
    api1_client_secret: Option<String>,
    /// File that holds API1_CLIENT_SECRET
    #[arg(
        long,
        env = "API1_CLIENT_SECRET_FILE",
        value_name = "FILE",
        help_heading = "API-1's client (introspection)"
    )]
    api1_client_secret_file: Option<PathBuf>,
    /// An API key of API-1 with the scope https://api-1/read; a file is safer
    #[arg(
        long,
        env = "API1_KEY",
        hide_env_values = true,
        value_name = "KEY",
        help_heading = "A program with an API key"
    )]
    api1_key: Option<String>,
    /// File that holds API1_KEY
    #[arg(
        long,
        env = "API1_KEY_FILE",
        value_name = "FILE",
        help_heading = "A program with an API key"
    )]
    api1_key_file: Option<PathBuf>,
}

impl Api1Args {
    /// API-1's own client. `is_local`: whether the deployment may have the demo's secret.
    pub(super) fn client(
        &self,
        is_local: bool,
        problems: &mut Problems,
    ) -> Option<ClientCredentials> {
        let given = (
            self.api1_client_secret.as_deref(),
            self.api1_client_secret_file.as_deref(),
        );
        let demo = is_local.then_some(API1_SECRET);
        let secret = secret("API1_CLIENT_SECRET", given, demo, problems);
        let id = API1_CLIENT.to_owned();
        secret.map(|secret| ClientCredentials { id, secret })
    }

    /// The API key.
    pub(super) fn key(&self, problems: &mut Problems) -> Option<SecretString> {
        let given = (self.api1_key.as_deref(), self.api1_key_file.as_deref());
        secret("API1_KEY", given, None, problems)
    }
}

/// The secret that is given, or the `demo`'s. An empty secret is none, as everywhere.
pub(super) fn secret(
    key: &str,
    (value, file): (Option<&str>, Option<&Path>),
    demo: Option<&str>,
    problems: &mut Problems,
) -> Option<SecretString> {
    match (value, file, demo) {
        (None, None, Some(demo)) => Some(demo.into()),
        _ => problems.secret(key, value.filter(|text| !text.is_empty()), file),
    }
}
