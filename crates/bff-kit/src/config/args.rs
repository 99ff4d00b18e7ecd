//! The command line of an app's own process, and its environment variables.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use clap::{Args, Parser};
use kit::{
    config::{Common, CommonArgs, Mtls, Problems},
    net::Trust,
    random::OsRandom,
    state_dir::StateDir,
};
use secrecy::ExposeSecret as _;
use token_verify::IssuerArgs;

use super::{
    Config, Keys, Sources,
    mtls::{self, CertificateFiles},
};
use crate::{
    app::App,
    audiences::{API1, API2, Audience, PerApi},
    client_auth::{ClientAuth, ClientKey, read_client_key},
    credentials::{ApiKey, CredentialMethod, machine_client_id},
};

/// How many sessions one user may have.
const PER_USER: RangeInclusive<usize> = 1..=1000;

/// One of the two apps of sso-lab: a backend for frontend.
///
/// It signs users in at the identity provider, keeps their sessions and access tokens,
/// and calls API-1 and API-2 for them.
#[derive(Debug, Parser)]
#[command(name = O::APP.service, version)]
pub struct AppArgs<O: OwnArgs> {
    /// What all services share.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Who the provider is.
    #[command(flatten)]
    pub issuer: IssuerArgs,
    /// The services that the app calls.
    #[command(flatten)]
    pub peers: BffPeerArgs,
    /// What both apps share.
    #[command(flatten)]
    pub bff: BffArgs,
    /// This app's own.
    #[command(flatten)]
    pub own: O,
}

/// The arguments that only one app has.
pub trait OwnArgs: Args {
    /// The app.
    const APP: App;

    /// The app's session mode, by the name of its variable. It wins over the common one.
    fn session_mode(&self) -> (&'static str, Option<&str>);

    /// The key file of the app's machine identity, by the name of its setting.
    fn machine_key_file(&self) -> (&'static str, Option<&Path>);

    /// The files of its certificate, for the methods that need one.
    fn certificate_files(&self) -> CertificateFiles<'_>;

    /// How the app authenticates to the provider; what is wrong goes to `problems`.
    fn client_auth(&self, common: &Common, problems: &mut Problems) -> Option<ClientAuth>;
}

impl<O: OwnArgs> AppArgs<O> {
    /// Checks everything; what is wrong goes to `problems`.
    pub fn read(&self, common: &Common, problems: &mut Problems) -> Option<Config> {
        let sources = Sources {
            common,
            issuer: &self.issuer,
            peers: &self.peers,
            bff: &self.bff,
        };
        // Without a state directory, the CA of this process is nobody else's.
        let lab = common.mtls.as_ref();
        let lab = lab.filter(|_| common.state_dir.path("").is_some());
        self.check_machine_key(common, problems);
        let keys = Keys {
            auth: self.own.client_auth(common, problems),
            machine: machine_key(&self.own, &self.bff, &common.state_dir, problems),
            mtls: mtls_identity(&self.own, &self.bff, common, lab, problems),
        };
        Config::read(&self.own, sources, keys, problems)
    }

    /// A key that this process made for itself would be unknown to the provider, which is
    /// another process.
    fn check_machine_key(&self, common: &Common, problems: &mut Problems) {
        let (file, path) = self.own.machine_key_file();
        if path.is_some() || common.state_dir.path("").is_some() {
            return;
        }
        for (setting, method) in self.bff.set_methods() {
            if method.needs_machine() {
                let what = format_args!(
                    "{method} needs the app's key: {file}, or --state-dir, where the provider finds its public half"
                );
                problems.add(setting, what);
            }
        }
    }
}

/// The key of the app's machine identity, if a method needs that; what is wrong goes to
/// `problems`.
pub fn machine_key<O: OwnArgs>(
    own: &O,
    bff: &BffArgs,
    state_dir: &StateDir,
    problems: &mut Problems,
) -> Option<ClientKey> {
    if !bff.needs_machine() {
        return None;
    }
    let name = machine_client_id(O::APP.client_id);
    read_client_key(
        own.machine_key_file(),
        &name,
        state_dir,
        &OsRandom,
        problems,
    )
}

/// What the app presents at mTLS ports, and who vouches for these, if a method needs it:
/// the certificate of its files, or else one that the CA of `lab` issues now. What is
/// wrong goes to `problems`.
pub fn mtls_identity<O: OwnArgs>(
    own: &O,
    bff: &BffArgs,
    common: &Common,
    lab: Option<&Mtls>,
    problems: &mut Problems,
) -> Option<Trust> {
    let method = bff.bff_api1_credential.parse();
    let method = method
        .ok()
        .filter(|method: &CredentialMethod| method.needs_certificate());
    if method.is_none() && !bff.chooses_per_login() {
        return None;
    }
    let wanted = mtls::Wanted {
        app: O::APP.client_id,
        needed_for: method,
        files: own.certificate_files(),
        ca_file: bff.mtls_ca_file.as_deref(),
    };
    mtls::identity(&wanted, common, lab, problems)
}

/// The services that the apps call.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Peers")]
pub struct BffPeerArgs {
    /// API-1's HTTP [default: api1's public URL]
    #[arg(long, env = "API1_URL", value_name = "URL")]
    pub api1_url: Option<String>,
    /// API-2's gRPC [default: api2's second port]
    #[arg(long, env = "API2_GRPC_URL", value_name = "URL")]
    pub api2_grpc_url: Option<String>,
    /// API-1's mTLS, for the methods mtls and identity_header [default: https, the public host of api1, port 8484]
    #[arg(long, env = "API1_MTLS_URL", value_name = "URL")]
    pub api1_mtls_url: Option<String>,
    /// Address at which the apps reach the identity provider's mTLS port, for the method mtls [default: as its metadata says]
    #[arg(long, env = "IDP_MTLS_INTERNAL_URL", value_name = "URL")]
    pub idp_mtls_internal_url: Option<String>,
    /// Address at which the apps of a lab reach the attacker's site, whose authorization server is their second provider [default: its public URL]
    #[arg(long, env = "EVIL_INTERNAL_URL", value_name = "URL")]
    pub evil_internal_url: Option<String>,
}

/// How the apps keep sessions and renew tokens.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Sessions")]
pub struct BffArgs {
    /// How sessions are kept: stateful, stateless, hybrid or cached [default: app1 stateful, app2 hybrid]
    #[arg(long, env = "BFF_SESSION_MODE", value_name = "MODE")]
    pub bff_session_mode: Option<String>,
    /// Whether /login?mode= chooses for one session: on or off [default: on where one process is a lab, else off]
    #[arg(long, env = "BFF_SESSION_MODE_CHOICE", value_name = "SWITCH")]
    pub bff_session_mode_choice: Option<String>,
    /// Whether a login may choose where the setting is absent.
    #[arg(skip)]
    pub may_choose: bool,
    /// How long a session lasts without a request
    #[arg(
        long,
        env = "BFF_SESSION_IDLE",
        default_value = "8h",
        value_name = "TIME"
    )]
    pub bff_session_idle: String,
    /// How long a session lasts at most
    #[arg(
        long,
        env = "BFF_SESSION_LONGEST",
        default_value = "7d",
        value_name = "TIME"
    )]
    pub bff_session_longest: String,
    /// Most sessions of one user in the store of an app; beyond that, the least recently used one ends (1 to 1000)
    #[arg(
        long,
        env = "BFF_SESSIONS_PER_USER",
        default_value = "50",
        value_name = "N"
    )]
    pub bff_sessions_per_user: String,
    /// Access tokens that expire within this time are renewed before a call
    #[arg(
        long,
        env = "BFF_TOKEN_MARGIN",
        default_value = "30s",
        value_name = "TIME"
    )]
    pub bff_token_margin: String,
    /// How a refresh names the API: resource (RFC 8707), audience or scope
    #[arg(
        long,
        env = "BFF_AUDIENCE_BY",
        default_value = "resource",
        value_name = "NAME"
    )]
    pub bff_audience_by: String,
    /// How the apps get the credential for API-1: refresh, token_exchange, client_credentials, jwt_bearer, mtls, api_key or identity_header
    #[arg(
        long,
        env = "BFF_API1_CREDENTIAL",
        default_value = "refresh",
        value_name = "METHOD"
    )]
    pub bff_api1_credential: String,
    /// How the apps get the credential for API-2: refresh, token_exchange, client_credentials or jwt_bearer
    #[arg(
        long,
        env = "BFF_API2_CREDENTIAL",
        default_value = "refresh",
        value_name = "METHOD"
    )]
    pub bff_api2_credential: String,
    /// The apps' API key for API-1, for the method api_key; a file is safer
    #[arg(long, env = "BFF_API1_KEY", hide_env_values = true, value_name = "KEY")]
    pub bff_api1_key: Option<String>,
    /// File that holds BFF_API1_KEY
    #[arg(long, env = "BFF_API1_KEY_FILE", value_name = "FILE")]
    pub bff_api1_key_file: Option<PathBuf>,
    /// Whether access tokens are bound to a key of the app's own, which it proves to hold with each call (DPoP, RFC 9449): on or off
    #[arg(long, env = "BFF_DPOP", default_value = "off", value_name = "SWITCH")]
    pub bff_dpop: String,
    /// Certificate authorities (PEM) of the mTLS ports, in addition to CA_FILE, for an app with a certificate of its own
    #[arg(long, env = "MTLS_CA_FILE", value_name = "FILE")]
    pub mtls_ca_file: Option<PathBuf>,
}

/// The method `text` for `audience`, if it is one; what is wrong goes to `problems`.
fn method(
    key: &'static str,
    text: &str,
    audience: &'static Audience,
    problems: &mut Problems,
) -> Option<CredentialMethod> {
    let method: CredentialMethod = problems.parse(key, text)?;
    if !method.is_taken_at(audience.uri) {
        problems.add(key, method.unsuited(audience));
        return None;
    }
    Some(method)
}

impl Default for BffArgs {
    fn default() -> Self {
        Self {
            bff_session_mode: None,
            bff_session_mode_choice: None,
            may_choose: false,
            bff_session_idle: "8h".to_owned(),
            bff_session_longest: "7d".to_owned(),
            bff_sessions_per_user: "50".to_owned(),
            bff_token_margin: "30s".to_owned(),
            bff_audience_by: "resource".to_owned(),
            bff_api1_credential: "refresh".to_owned(),
            bff_api2_credential: "refresh".to_owned(),
            bff_api1_key: None,
            bff_api1_key_file: None,
            bff_dpop: "off".to_owned(),
            mtls_ca_file: None,
        }
    }
}

impl BffArgs {
    /// Whether a login may choose its session's mode.
    pub(super) fn mode_choice(&self, problems: &mut Problems) -> Option<bool> {
        let given = self.bff_session_mode_choice.as_deref();
        let given = given.filter(|text| !text.is_empty());
        given.map_or(Some(self.may_choose), |text| {
            problems.switch("BFF_SESSION_MODE_CHOICE", text)
        })
    }

    /// Whether a login may choose its session's mode and its credentials. An unreadable
    /// setting is reported elsewhere.
    pub fn chooses_per_login(&self) -> bool {
        self.mode_choice(&mut Problems::new()).unwrap_or_default()
    }

    /// Whether access tokens are bound to the app's key.
    pub(super) fn dpop(&self, problems: &mut Problems) -> Option<bool> {
        problems.switch("BFF_DPOP", &self.bff_dpop)
    }

    /// How the credential for each API is got.
    pub(super) fn credentials(&self, problems: &mut Problems) -> Option<PerApi<CredentialMethod>> {
        let api1 = method(
            "BFF_API1_CREDENTIAL",
            &self.bff_api1_credential,
            &API1,
            problems,
        );
        let api2 = method(
            "BFF_API2_CREDENTIAL",
            &self.bff_api2_credential,
            &API2,
            problems,
        );
        Some(PerApi {
            api1: api1?,
            api2: api2?,
        })
    }

    /// Whether the apps have an API key for API-1.
    pub const fn has_api1_key(&self) -> bool {
        self.bff_api1_key.is_some() || self.bff_api1_key_file.is_some()
    }

    /// The apps' API key for API-1, which `methods` may need.
    pub(super) fn api_key(
        &self,
        methods: Option<PerApi<CredentialMethod>>,
        problems: &mut Problems,
    ) -> Option<ApiKey> {
        const KEY: &str = "BFF_API1_KEY";
        let file = self.bff_api1_key_file.as_deref();
        let before = problems.lines().len();
        let given = problems.secret(KEY, self.bff_api1_key.as_deref(), file);
        let Some(given) = given else {
            let needed = methods.is_some_and(|methods| methods.api1 == CredentialMethod::ApiKey);
            if needed && problems.lines().len() == before {
                problems.add(
                    KEY,
                    "needed for BFF_API1_CREDENTIAL=api_key; `sso-lab keys api add` makes one",
                );
            }
            return None;
        };
        let key = ApiKey::read(given.expose_secret());
        if key.is_none() {
            problems.add(KEY, "it does not fit a header");
        }
        key
    }

    /// Whether a method that is set, or that a login may choose, needs the app's machine
    /// identity.
    fn needs_machine(&self) -> bool {
        let mut methods = self.set_methods();
        self.chooses_per_login() || methods.any(|(_, method)| method.needs_machine())
    }

    /// The methods that are set, each with its setting's name; without unknown ones.
    fn set_methods(&self) -> impl Iterator<Item = (&'static str, CredentialMethod)> {
        let settings = [
            ("BFF_API1_CREDENTIAL", &self.bff_api1_credential),
            ("BFF_API2_CREDENTIAL", &self.bff_api2_credential),
        ];
        let settings = settings.into_iter();
        settings.filter_map(|(setting, name)| Some((setting, name.parse().ok()?)))
    }

    /// How many sessions one user may have.
    pub(super) fn per_user(&self, problems: &mut Problems) -> Option<usize> {
        const KEY: &str = "BFF_SESSIONS_PER_USER";
        problems.number(KEY, &self.bff_sessions_per_user, &PER_USER)
    }
}
