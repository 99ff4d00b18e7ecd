//! The settings of the provider from flags and environment.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use clap::Args as ClapArgs;
use kit::{
    config::{Addresses, Common, LoginBudget, Mtls as MtlsPorts, Problems, Site, Weaknesses},
    files,
    net::{AddressOverrides, Trust},
    random::Random,
    state_dir::StateDir,
};
use secrecy::{ExposeSecret as _, SecretString};
use web_kit::client::TrustedProxies;

use crate::{
    Mtls, backchannel,
    keys::{self, KeySettings},
    settings::{DEFAULT, Lifetimes, Settings},
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
    /// Address of the mTLS port, as clients see it [default: https, the public host of the idp, port 8481]
    #[arg(long = "idp-mtls-url", env = "IDP_MTLS_URL", value_name = "URL")]
    pub mtls_url: Option<String>,
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
    /// From the publication of a new signing key in /jwks to its first signature (1s to 7d): at least as long as verifiers keep keys, which is 5 minutes for the services here
    #[arg(
        long = "idp-key-publish-delay",
        env = "IDP_KEY_PUBLISH_DELAY",
        default_value = "10m",
        value_name = "TIME"
    )]
    pub key_publish_delay: String,
    /// How long a signing key stays in /jwks after its successor signs, up to 30d [default: the life of the longest token and a minute, the least that is accepted]
    #[arg(
        long = "idp-key-retire-after",
        env = "IDP_KEY_RETIRE_AFTER",
        value_name = "TIME"
    )]
    pub key_retire_after: Option<String>,
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
    /// Most opaque access tokens of one grant, or of one client without a grant, at a time; beyond that, the one that ends first is removed (1 to 1000)
    #[arg(
        long = "idp-opaque-tokens-per-grant",
        env = "IDP_OPAQUE_TOKENS_PER_GRANT",
        default_value = "200",
        value_name = "N"
    )]
    pub opaque_tokens_per_grant: String,
    /// How long the codes of a device's authorization are valid (1s to 1h)
    #[arg(
        long = "idp-device-code-lifetime",
        env = "IDP_DEVICE_CODE_LIFETIME",
        default_value = "10m",
        value_name = "TIME"
    )]
    pub device_code_lifetime: String,
    /// The interval at which a device may poll for its tokens; each slow_down adds 5s (1s to 60s)
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
    /// Opaque access tokens of one grant.
    pub opaque_tokens: usize,
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

/// The range of the publish delay of signing keys.
const KEY_PUBLISH_DELAY: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);
/// The longest retirement of a signing key.
const KEY_RETIRE_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);

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
    /// The signing keys.
    pub(crate) keys: KeySettings,
    /// Addresses of apps that differ from their public names.
    pub connect: AddressOverrides,
    /// Trusted roots of outgoing https.
    pub(crate) trust: Trust,
    /// The mTLS port, if there is one.
    pub(crate) mtls: Option<Mtls>,
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

    /// Whether access tokens for `audience` are opaque.
    pub fn issues_opaque_tokens(&self, audience: &str) -> bool {
        self.settings.has_opaque_tokens(audience)
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
        let mtls = common.mtls.as_ref();
        let mtls = mtls.map(|ports| args.read_mtls(ports, common, problems));
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
        let timing = settings
            .as_ref()
            .and_then(|settings| args.read_key_timing(&settings.lifetimes, problems));
        Some(Self {
            issuer: issuer?,
            addresses: common.addresses.clone(),
            settings: settings?,
            keys: KeySettings {
                default: signing_alg?,
                timing: timing?,
            },
            connect: connect?,
            trust: common.trust.clone(),
            mtls: mtls.map_or(Some(None), |read| read.map(Some))?,
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
    fn read_key_timing(
        &self,
        lifetimes: &Lifetimes,
        problems: &mut Problems,
    ) -> Option<keys::Timing> {
        let mut time = |key, text: &str, range: &RangeInclusive<Duration>| {
            let time = problems.time(key, text)?;
            if range.contains(&time) {
                return Some(time);
            }
            let (least, most) = (range.start().as_secs(), range.end().as_secs());
            problems.add(key, format_args!("from {least}s to {most}s"));
            None
        };
        let delay = "IDP_KEY_PUBLISH_DELAY";
        let publish_delay = time(delay, &self.key_publish_delay, &KEY_PUBLISH_DELAY);
        let longest = lifetimes.access_token.max(lifetimes.id_token);
        let least = longest.max(backchannel::LOGOUT_TOKEN_LIFETIME) + keys::RETIREMENT_MARGIN;
        let range = least..=KEY_RETIRE_AFTER.max(least);
        let retire_after = match &self.key_retire_after {
            Some(text) => time("IDP_KEY_RETIRE_AFTER", text, &range),
            None => Some(least),
        };
        Some(keys::Timing {
            publish_delay: publish_delay?,
            retire_after: retire_after?,
            forget_after: lifetimes.longest_record(),
        })
    }

    /// The mTLS port of a deployment with `ports` for mTLS.
    fn read_mtls(
        &self,
        ports: &MtlsPorts,
        common: &Common,
        problems: &mut Problems,
    ) -> Option<Mtls> {
        let url = match &self.mtls_url {
            Some(url) => problems.https_url("IDP_MTLS_URL", url),
            None => common.addresses.mtls_url(Site::Idp),
        };
        let authorities = ports.authorities(&common.state_dir, problems);
        Some(Mtls {
            url: url?,
            authorities: authorities?,
        })
    }

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
        let opaque_tokens = quota("IDP_OPAQUE_TOKENS_PER_GRANT", &self.opaque_tokens_per_grant);
        Some(Quotas {
            sessions: sessions?,
            grants: grants?,
            grants_in_session: in_session?,
            opaque_tokens: opaque_tokens?,
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
