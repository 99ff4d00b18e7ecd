//! The settings of the provider from flags and environment.

mod args;

use std::{path::PathBuf, time::Duration};

use kit::{
    config::{Addresses, Common, LoginBudget, Problems, Site, Weaknesses, secret_length},
    files,
    net::{AddressOverrides, Trust},
    random::Random,
    state_dir::StateDir,
};
use secrecy::SecretString;
use web_kit::client::TrustedProxies;

pub use self::args::Args;
use crate::{
    Mtls,
    keys::KeySettings,
    settings::{DEFAULT, GrantType, Settings},
};

/// Limits on the sessions and grants of one user, and on what one client leaves.
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
    /// Used assertions of one client that have not expired.
    pub assertions: usize,
    /// Used DPoP proofs of one client that have not expired.
    pub proofs: usize,
}

/// Times of the device authorization grant (RFC 8628 §3.2).
#[derive(Clone, Copy, Debug)]
pub struct DeviceSettings {
    /// The lifetime of both codes.
    pub code_lifetime: Duration,
    /// From one poll to the next.
    pub interval: Duration,
}

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

    /// Whether `client_id` may get tokens for `audience` by `grant`.
    pub fn may_get(&self, client_id: &str, grant: GrantType, audience: &str) -> bool {
        let client = self.settings.client(client_id);
        client.is_some_and(|client| {
            client.may(grant) && client.audiences.iter().any(|own| own == audience)
        })
    }

    /// Whether a policy lets `client_id` exchange tokens for ones to `audience`.
    pub fn may_exchange(&self, client_id: &str, audience: &str) -> bool {
        let client = self.settings.client(client_id);
        let has_grant = client.is_some_and(|client| client.may(GrantType::TokenExchange));
        let mut exchanges = self.settings.exchanges.iter();
        has_grant
            && exchanges
                .any(|own| own.client == client_id && own.to == audience && own.issuer.is_none())
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
        // Read even after other errors, to report its own ones too.
        let settings = settings_of(args, common, problems);
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

/// What the configuration file says, or the built-in one.
fn settings_of(args: &Args, common: &Common, problems: &mut Problems) -> Option<Settings> {
    let (name, text) = match &args.config {
        None => ("built-in configuration".to_owned(), DEFAULT.to_owned()),
        Some(path) => match files::read_text(path) {
            Ok(text) => (path.display().to_string(), text),
            Err(error) => {
                problems.add("IDP_CONFIG", format_args!("{}: {error}", path.display()));
                return None;
            }
        },
    };
    let dir = common.state_dir.path("");
    let dir = dir.map(|path| path.components().collect::<PathBuf>());
    let settings = Settings::parse(&name, &text, &common.addresses, dir.as_deref());
    let settings = settings.map_err(|found| problems.extend(found)).ok()?;
    settings.check_credentials(&name, common, problems);
    Some(settings)
}

fn check_operator_key(name: &str, key: Option<&SecretString>, problems: &mut Problems) {
    if key.is_some_and(|key| secret_length(key) < MIN_OPERATOR_KEY) {
        let what = format_args!(
            "at least {MIN_OPERATOR_KEY} characters, for example from `openssl rand -hex 32`"
        );
        problems.add(name, what);
    }
}
