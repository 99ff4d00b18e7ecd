//! The settings of the provider from flags and environment.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use clap::Args as ClapArgs;
use kit::{
    config::{Addresses, Common, LoginBudget, Problems, Site, Weaknesses},
    files,
    net::{AddressOverrides, Trust},
    random::Random,
    state_dir::StateDir,
};
use secrecy::{ExposeSecret as _, SecretString};
use web_kit::client::TrustedProxies;

use crate::{
    keys::Algorithm,
    settings::{DEFAULT, Settings},
};

/// Flags and environment variables of the provider.
#[derive(ClapArgs, Clone, Debug)]
#[group(id = "idp_own")]
#[command(next_help_heading = "Identity provider")]
pub struct Args {
    /// Issuer, exactly as browsers see it [default: the public URL of the idp]
    #[arg(
        long = "issuer",
        env = "IDP_ISSUER",
        value_name = "URL",
        id = "idp_issuer_own"
    )]
    pub issuer: Option<String>,
    /// Users, clients, resources and policies as TOML [default: built in, see `sso-lab config print`]
    #[arg(long = "config", env = "IDP_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Signing algorithm of new tokens: ES256, RS256 or EdDSA
    #[arg(
        long = "signing-alg",
        env = "IDP_SIGNING_ALG",
        default_value = "ES256",
        value_name = "ALG"
    )]
    pub signing_alg: String,
    /// Addresses of apps that differ from their public names, as host:port=host:port,…
    #[arg(
        long = "idp-connect",
        env = "IDP_CONNECT",
        default_value = "",
        value_name = "FROM=TO,…"
    )]
    pub connect: String,
    /// Key of the operator's gRPC service (sso.idp.v1.Sessions), at least 32 characters; without a key the service is off
    #[arg(
        long = "operator-key",
        env = "IDP_OPERATOR_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub operator_key: Option<String>,
    /// Most login sessions of one user; beyond that, the oldest ends and its apps are notified (1 to 1000)
    #[arg(
        long = "idp-sessions-per-user",
        env = "IDP_SESSIONS_PER_USER",
        default_value = "50",
        value_name = "N"
    )]
    pub sessions_per_user: String,
    /// Most grants of one user to one client; beyond that, the oldest is revoked (1 to 1000)
    #[arg(
        long = "idp-grants-per-client",
        env = "IDP_GRANTS_PER_CLIENT",
        default_value = "100",
        value_name = "N"
    )]
    pub grants_per_client: String,
    /// Most grants of one client in one login session; beyond that, the oldest is revoked (1 to 1000)
    #[arg(
        long = "idp-grants-per-session",
        env = "IDP_GRANTS_PER_SESSION",
        default_value = "10",
        value_name = "N"
    )]
    pub grants_per_session: String,
    /// How long the codes of a device's authorization are valid (1s to 1h)
    #[arg(
        long = "idp-device-code-lifetime",
        env = "IDP_DEVICE_CODE_LIFETIME",
        default_value = "10m",
        value_name = "TIME"
    )]
    pub device_code_lifetime: String,
    /// How often a device may ask for its tokens, until it asks too often (1s to 60s)
    #[arg(
        long = "idp-device-interval",
        env = "IDP_DEVICE_INTERVAL",
        default_value = "5s",
        value_name = "TIME"
    )]
    pub device_interval: String,
    /// File that contains IDP_OPERATOR_KEY
    #[arg(
        long = "operator-key-file",
        env = "IDP_OPERATOR_KEY_FILE",
        value_name = "FILE"
    )]
    pub operator_key_file: Option<PathBuf>,
}

/// Limits on the sessions and grants of one user.
#[derive(Clone, Copy, Debug)]
pub struct Quotas {
    /// Login sessions.
    pub sessions: usize,
    /// Grants to one client.
    pub grants: usize,
    /// Grants to one client in one login session: one for each tab of an app without a
    /// backend, and some that were abandoned.
    pub grants_in_session: usize,
}

/// Times of the device authorization grant (RFC 8628 §3.2).
#[derive(Clone, Copy, Debug)]
pub struct DeviceSettings {
    /// The lifetime of both codes.
    pub code_lifetime: Duration,
    /// From one poll to the next.
    pub interval: Duration,
}

/// The ranges of these times.
const DEVICE_CODE_LIFETIME: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(3600);
const DEVICE_INTERVAL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);

/// The range of a quota.
const QUOTAS: RangeInclusive<usize> = 1..=1000;

/// The file of the operator's key in a state directory.
pub const OPERATOR_KEY_FILE: &str = "operator.key";
/// The least characters of an operator's key.
const MIN_OPERATOR_KEY: usize = 32;

/// The checked settings.
pub struct Config {
    /// The issuer.
    pub issuer: String,
    /// The public addresses of all sites.
    pub addresses: Addresses,
    /// The configuration file.
    pub(crate) settings: Settings,
    /// The signing algorithm of new tokens.
    pub(crate) signing_alg: Algorithm,
    /// Addresses of apps that differ from their public names.
    pub connect: AddressOverrides,
    /// Trusted roots of outgoing https.
    pub(crate) trust: Trust,
    /// The key of the operator's service, if it is on.
    pub(crate) operator_key: Option<SecretString>,
    /// Limits on the sessions and grants of one user.
    pub(crate) quotas: Quotas,
    /// Times of the device authorization grant.
    pub(crate) device: DeviceSettings,
    /// Limits on the records of logins in progress.
    pub(crate) login_budget: LoginBudget,
    /// The directory of the keys.
    pub state_dir: StateDir,
    /// Worker threads.
    pub workers: usize,
    /// Proxies that are trusted to report the client address.
    pub trusted_proxies: TrustedProxies,
    /// Whether the published demo passwords are accepted.
    pub demo_credentials: bool,
    /// Defences that a lab has switched off.
    pub weaknesses: Weaknesses,
}

impl Config {
    /// Sets the keys of a client that runs in the same process. They replace those of
    /// the configuration file.
    pub fn give_client_keys(&mut self, client_id: &str, jwks: serde_json::Value) {
        self.settings.give_keys(client_id, jwks);
    }

    /// Whether the demo users can sign in.
    pub fn has_demo_users(&self) -> bool {
        self.demo_credentials && self.settings.has_demo_users()
    }

    /// Connects to the site `public` at `inside`, unless the settings name another
    /// address.
    pub fn reach_at(&mut self, public: &str, inside: &str) {
        self.connect = std::mem::take(&mut self.connect).or_insert(public, inside);
    }

    /// Generates an operator's key and stores it in the state directory, if no key is set
    /// and there is a state directory.
    pub fn keep_operator_key(&mut self, random: &dyn Random, problems: &mut Problems) {
        if self.operator_key.is_some() || self.state_dir.path("").is_none() {
            return;
        }
        let make = || Ok(random.token());
        let stored = self.state_dir.load_or_create_text(OPERATOR_KEY_FILE, make);
        match stored {
            Ok(text) => {
                let key = SecretString::from(files::line(text));
                check_operator_key(OPERATOR_KEY_FILE, Some(&key), problems);
                self.operator_key = Some(key);
            }
            Err(error) => problems.add(OPERATOR_KEY_FILE, error),
        }
    }

    /// Checks all settings and the configuration file. Errors are added to `problems`.
    pub fn read(args: &Args, common: &Common, problems: &mut Problems) -> Option<Self> {
        let issuer = match &args.issuer {
            Some(issuer) => problems.own_issuer("IDP_ISSUER", issuer),
            None => Some(common.addresses.url(Site::Idp)),
        };
        let signing_alg = problems.parse("IDP_SIGNING_ALG", &args.signing_alg);
        let operator_key = problems.secret(
            "IDP_OPERATOR_KEY",
            args.operator_key.as_deref(),
            args.operator_key_file.as_deref(),
        );
        check_operator_key("IDP_OPERATOR_KEY", operator_key.as_ref(), problems);
        let quotas = args.read_quotas(problems);
        let device = args.read_device(problems);
        let connect = problems.parse("IDP_CONNECT", &args.connect);
        let trusted_proxies = TrustedProxies::read(common, problems);
        let file = match &args.config {
            None => Some(("built-in configuration".to_owned(), DEFAULT.to_owned())),
            Some(path) => match files::read_text(path) {
                Ok(text) => Some((path.display().to_string(), text)),
                Err(error) => {
                    problems.add("IDP_CONFIG", format_args!("{}: {error}", path.display()));
                    None
                }
            },
        };
        // Read even after other errors, to report its own ones too.
        let settings = file.and_then(|(name, text)| {
            let dir = common.state_dir.path("");
            let dir = dir.map(|path| path.components().collect::<PathBuf>());
            let settings = Settings::parse(&name, &text, &common.addresses, dir.as_deref())
                .map_err(|found| problems.extend(found))
                .ok()?;
            settings.check_credentials(&name, common, problems);
            Some(settings)
        });
        Some(Self {
            issuer: issuer?,
            addresses: common.addresses.clone(),
            settings: settings?,
            signing_alg: signing_alg?,
            connect: connect?,
            trust: common.trust.clone(),
            operator_key,
            quotas: quotas?,
            device: device?,
            login_budget: common.login_budget,
            state_dir: common.state_dir.clone(),
            workers: common.workers,
            trusted_proxies: trusted_proxies?,
            demo_credentials: common.allows_demo_credentials(),
            weaknesses: common.weaknesses,
        })
    }
}

impl Args {
    fn read_device(&self, problems: &mut Problems) -> Option<DeviceSettings> {
        let mut time = |key, text: &str, range: RangeInclusive<Duration>| {
            let time = problems.time(key, text)?;
            if range.contains(&time) {
                return Some(time);
            }
            let (least, most) = (range.start().as_secs(), range.end().as_secs());
            problems.add(key, format_args!("from {least}s to {most}s"));
            None
        };
        let code_lifetime = time(
            "IDP_DEVICE_CODE_LIFETIME",
            &self.device_code_lifetime,
            DEVICE_CODE_LIFETIME,
        );
        let interval = time(
            "IDP_DEVICE_INTERVAL",
            &self.device_interval,
            DEVICE_INTERVAL,
        );
        Some(DeviceSettings {
            code_lifetime: code_lifetime?,
            interval: interval?,
        })
    }

    fn read_quotas(&self, problems: &mut Problems) -> Option<Quotas> {
        let mut quota = |key, text: &str| {
            let quota = problems.parse(key, text)?;
            if QUOTAS.contains(&quota) {
                return Some(quota);
            }
            let (least, most) = (QUOTAS.start(), QUOTAS.end());
            problems.add(key, format_args!("from {least} to {most}"));
            None
        };
        let sessions = quota("IDP_SESSIONS_PER_USER", &self.sessions_per_user);
        let grants = quota("IDP_GRANTS_PER_CLIENT", &self.grants_per_client);
        let in_session = quota("IDP_GRANTS_PER_SESSION", &self.grants_per_session);
        Some(Quotas {
            sessions: sessions?,
            grants: grants?,
            grants_in_session: in_session?,
        })
    }
}

fn check_operator_key(name: &str, key: Option<&SecretString>, problems: &mut Problems) {
    if key.is_some_and(|key| key.expose_secret().len() < MIN_OPERATOR_KEY) {
        let what = format_args!(
            "at least {MIN_OPERATOR_KEY} characters, for example from `openssl rand -hex 32`"
        );
        problems.add(name, what);
    }
}
