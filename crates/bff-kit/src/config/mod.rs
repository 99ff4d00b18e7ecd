//! Settings, read once from the command line and the environment.

mod args;
mod mtls;

use std::time::Duration;

use kit::{
    config::{Addresses, Common, LoginBudget, Problems, Site, Weaknesses, parse_duration},
    net::Trust,
    state_dir::StateDir,
};
use token_verify::{Issuer, IssuerArgs};
use web_kit::client::TrustedProxies;

pub use self::{
    args::{AppArgs, BffArgs, BffPeerArgs, OwnArgs, machine_key, mtls_identity},
    mtls::CertificateFiles,
};
use crate::{
    app::App,
    client_auth::{ClientAuth, ClientKey},
    credentials::CredentialSettings,
    provider::AudienceBy,
    second_provider,
    sessions::{SessionLifetimes, SessionMode},
};

fn time(key: &'static str, text: &str, problems: &mut Problems) -> Option<Duration> {
    match parse_duration(text) {
        Ok(time) if !time.is_zero() => Some(time),
        Ok(_) => {
            problems.add(key, "longer than no time at all");
            None
        }
        Err(error) => {
            problems.add(key, error);
            None
        }
    }
}

/// An app's settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which app.
    pub app: App,
    /// Where everything is, as browsers see it.
    pub addresses: Addresses,
    /// The provider.
    pub issuer: Issuer,
    /// API-1's HTTP.
    pub api1_url: String,
    /// API-2's gRPC.
    pub api2_grpc_url: String,
    /// Whom outgoing https trusts.
    pub trust: Trust,
    /// How the app proves to the provider which client it is.
    pub auth: ClientAuth,
    /// How long sessions last.
    pub lifetimes: SessionLifetimes,
    /// How many one user has at most.
    pub sessions_per_user: usize,
    /// What logins under way may take of the store.
    pub login_budget: LoginBudget,
    /// How they are kept.
    pub mode: SessionMode,
    /// Whether a login may choose another mode.
    pub mode_choice: bool,
    /// Access tokens that end this soon are renewed before a call; never more
    /// than a tenth of a token's life.
    pub token_margin: Duration,
    /// How a refresh names the audience.
    pub audience_by: AudienceBy,
    /// How the credential for each API is got.
    pub(crate) credentials: CredentialSettings,
    /// Whether access tokens are bound to a key of the app's own.
    pub dpop: bool,
    /// A second provider, in a lab.
    pub(crate) second_issuer: Option<Issuer>,
    /// Where sealing keys are kept.
    pub state_dir: StateDir,
    /// Worker threads.
    pub workers: usize,
    /// Proxies whose word counts about the client's address.
    pub trusted_proxies: TrustedProxies,
    /// Defences that a lab has switched off.
    pub weaknesses: Weaknesses,
}

/// All that settings are read from, beside the app's own arguments.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// What all services share.
    pub common: &'a Common,
    /// Who the provider is.
    pub issuer: &'a IssuerArgs,
    /// The services that the apps call.
    pub peers: &'a BffPeerArgs,
    /// What both apps share.
    pub bff: &'a BffArgs,
}

/// With what the app proves who it is; `None` where it was found wrong already.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The app itself.
    pub auth: Option<ClientAuth>,
    /// Its machine identity, where a method needs that.
    pub machine: Option<ClientKey>,
    /// Its certificate, and who vouches for mTLS ports, where a method needs that.
    pub mtls: Option<Trust>,
}

impl Config {
    /// Checks everything; what is wrong goes to `problems`.
    pub fn read<O: OwnArgs>(
        own: &O,
        from: Sources<'_>,
        keys: Keys,
        problems: &mut Problems,
    ) -> Option<Self> {
        let app = O::APP;
        let Sources {
            common, peers, bff, ..
        } = from;
        let addresses = &common.addresses;
        let mode = mode(own, bff, problems);
        let mode_choice = bff.mode_choice(problems);
        let dpop = bff.dpop(problems);
        let (api1_url, api2_grpc_url) = api_urls(peers, addresses, problems);
        let issuer = from.issuer.read(common, problems);
        let lifetimes = lifetimes(bff, problems);
        let margin = time("BFF_TOKEN_MARGIN", &bff.bff_token_margin, problems);
        let per_user = bff.per_user(problems);
        let credentials = bff.credentials(problems);
        let api_key = bff.api_key(credentials, problems);
        let audience_by = problems.parse("BFF_AUDIENCE_BY", &bff.bff_audience_by);
        let ports = (
            peers.api1_mtls_url.as_deref(),
            peers.idp_mtls_internal_url.as_deref(),
        );
        let second_issuer =
            second_provider::issuer(common, peers.evil_internal_url.as_deref(), problems);
        let mtls = mtls::peers(keys.mtls, issuer.as_ref(), ports, addresses, problems);
        let trusted_proxies = TrustedProxies::read(common, problems);
        Some(Self {
            app,
            addresses: addresses.clone(),
            issuer: issuer?,
            api1_url: api1_url?,
            api2_grpc_url: api2_grpc_url?,
            trust: common.trust.clone(),
            auth: keys.auth?,
            lifetimes: lifetimes?,
            sessions_per_user: per_user?,
            login_budget: common.login_budget,
            mode: mode?,
            mode_choice: mode_choice?,
            token_margin: margin?,
            audience_by: audience_by?,
            credentials: CredentialSettings {
                methods: credentials?,
                choice: mode_choice?,
                machine_key: keys.machine,
                mtls,
                api_key,
            },
            dpop: dpop?,
            second_issuer,
            state_dir: common.state_dir.clone(),
            workers: common.workers,
            trusted_proxies: trusted_proxies?,
            weaknesses: common.weaknesses,
        })
    }
}

/// The session mode of the app `O`: its own, the one for both apps, or its default.
fn mode<O: OwnArgs>(own: &O, bff: &BffArgs, problems: &mut Problems) -> Option<SessionMode> {
    let common = ("BFF_SESSION_MODE", bff.bff_session_mode.as_deref());
    let modes = [own.session_mode(), common];
    match modes.into_iter().find(|mode| mode.1.is_some()) {
        Some((key, Some(name))) => problems.parse(key, name),
        _ => Some(O::APP.mode),
    }
}

/// The URLs of API-1 and of API-2's gRPC.
fn api_urls(
    peers: &BffPeerArgs,
    addresses: &Addresses,
    problems: &mut Problems,
) -> (Option<String>, Option<String>) {
    let mut url = |key, given: &Option<String>, default: Option<String>| match given {
        Some(text) => problems.http_url(key, text),
        None => default,
    };
    let (api1, api2) = (addresses.url(Site::Api1), addresses.grpc_url(Site::Api2));
    (
        url("API1_URL", &peers.api1_url, Some(api1)),
        url("API2_GRPC_URL", &peers.api2_grpc_url, api2),
    )
}

fn lifetimes(bff: &BffArgs, problems: &mut Problems) -> Option<SessionLifetimes> {
    let idle = time("BFF_SESSION_IDLE", &bff.bff_session_idle, problems);
    let longest = time("BFF_SESSION_LONGEST", &bff.bff_session_longest, problems);
    Some(SessionLifetimes {
        idle: idle?,
        longest: longest?,
    })
}
