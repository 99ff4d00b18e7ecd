//! The provider's settings from flags and environment.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args as ClapArgs;
use kit::{
    config::{Addresses, Common, Problems, Site},
    state_dir::StateDir,
};
use web_kit::client::TrustedProxies;

use crate::{
    keys::Algorithm,
    settings::{DEFAULT, Settings},
};

/// Flags and environment of the provider.
#[derive(ClapArgs, Clone, Debug)]
#[group(id = "idp_own")]
#[command(next_help_heading = "Identity provider")]
pub struct Args {
    /// Issuer, exactly as browsers see it [default: the idp's public address]
    #[arg(
        long = "issuer",
        env = "IDP_ISSUER",
        value_name = "URL",
        id = "idp_issuer_own"
    )]
    pub issuer: Option<String>,
    /// Users, clients, resources and policies as TOML [default: the built-in one, see `sso-lab config print`]
    #[arg(long = "config", env = "IDP_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Algorithm of new tokens: ES256, RS256 or EdDSA
    #[arg(
        long = "signing-alg",
        env = "IDP_SIGNING_ALG",
        default_value = "ES256",
        value_name = "ALG"
    )]
    pub signing_alg: String,
}

/// Read and found good.
#[derive(Clone)]
pub struct Config {
    /// The issuer.
    pub issuer: String,
    /// Where everything is.
    pub addresses: Addresses,
    /// The configuration file's name, for errors, and its text.
    pub file: (String, String),
    /// The algorithm of new tokens.
    pub(crate) signing_alg: Algorithm,
    /// Public keys (JWKS) of clients in this same process, by client_id; they
    /// win over the configuration file's.
    pub client_keys: BTreeMap<String, serde_json::Value>,
    /// Where keys are kept.
    pub state_dir: StateDir,
    /// Worker threads.
    pub workers: usize,
    /// Whose `X-Forwarded-For` counts.
    pub trusted_proxies: TrustedProxies,
}

impl Config {
    /// The demo's: built-in configuration at `addresses`.
    pub fn demo(addresses: Addresses, state_dir: StateDir) -> Self {
        Self {
            issuer: addresses.url(Site::Idp),
            addresses,
            file: ("built-in configuration".to_owned(), DEFAULT.to_owned()),
            signing_alg: Algorithm::Es256,
            client_keys: BTreeMap::new(),
            state_dir,
            workers: 1,
            trusted_proxies: TrustedProxies::default(),
        }
    }

    /// Checks everything, the configuration file too; what is wrong goes to `problems`.
    pub fn read(args: &Args, common: &Common, problems: &mut Problems) -> Option<Self> {
        let issuer = match &args.issuer {
            Some(issuer) => problems.issuer("IDP_ISSUER", issuer),
            None => Some(common.addresses.url(Site::Idp)),
        };
        let signing_alg = problems.parse("IDP_SIGNING_ALG", &args.signing_alg);
        let trusted_proxies = problems.parse("TRUSTED_PROXIES", &common.trusted_proxies);
        let file = match &args.config {
            None => Some(("built-in configuration".to_owned(), DEFAULT.to_owned())),
            Some(path) => match std::fs::read_to_string(path) {
                Ok(text) => Some((path.display().to_string(), text)),
                Err(error) => {
                    problems.add("IDP_CONFIG", format_args!("{}: {error}", path.display()));
                    None
                }
            },
        };
        let config = Self {
            issuer: issuer?,
            addresses: common.addresses.clone(),
            file: file?,
            signing_alg: signing_alg?,
            client_keys: BTreeMap::new(),
            state_dir: common.state_dir.clone(),
            workers: common.workers,
            trusted_proxies: trusted_proxies?,
        };
        match config.settings() {
            Ok(_) => Some(config),
            Err(found) => {
                problems.extend(found);
                None
            }
        }
    }

    /// The configuration file, understood.
    pub(crate) fn settings(&self) -> Result<Settings, Problems> {
        let (name, text) = &self.file;
        let dir = self
            .state_dir
            .path("")
            .map(|path| path.components().collect::<PathBuf>());
        let mut settings = Settings::parse(name, text, &self.addresses, dir.as_deref())?;
        for (client_id, jwks) in &self.client_keys {
            settings.give_keys(client_id, jwks.clone());
        }
        Ok(settings)
    }
}
