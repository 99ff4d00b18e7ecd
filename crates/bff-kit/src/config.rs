//! Settings, read once. What differs between the apps comes from their crates.

use std::{ops::RangeInclusive, time::Duration};

use clap::Args;
use kit::{
    config::{Addresses, Common, LoginBudget, Problems, Site, Weaknesses, parse_duration},
    net::Trust,
    state_dir::StateDir,
};
use token_verify::{Issuer, IssuerArgs};
use web_kit::client::TrustedProxies;

use crate::{
    app::App,
    client_auth::ClientAuth,
    provider::AudienceBy,
    sessions::{SessionLifetimes, SessionMode},
};

/// How many sessions one user may have.
const PER_USER: RangeInclusive<usize> = 1..=1000;

/// Whom the apps call.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Peers")]
pub struct BffPeerArgs {
    /// API-1's HTTP [default: api1's public URL]
    #[arg(long, env = "API1_URL", value_name = "URL")]
    pub api1_url: Option<String>,
    /// API-2's gRPC [default: api2's second port]
    #[arg(long, env = "API2_GRPC_URL", value_name = "URL")]
    pub api2_grpc_url: Option<String>,
}

/// How the apps keep sessions and mint tokens.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Sessions")]
pub struct BffArgs {
    /// How sessions are kept: stateful, stateless, hybrid or cached [default: app1 stateful, app2 hybrid]
    #[arg(long, env = "BFF_SESSION_MODE", value_name = "MODE")]
    pub bff_session_mode: Option<String>,
    /// Whether /login?mode= chooses for one session: on or off
    #[arg(
        long,
        env = "BFF_SESSION_MODE_CHOICE",
        default_value = "off",
        value_name = "SWITCH"
    )]
    pub bff_session_mode_choice: String,
    /// How long a session lasts without a request
    #[arg(
        long,
        env = "BFF_SESSION_IDLE",
        default_value = "8h",
        value_name = "TIME"
    )]
    pub bff_session_idle: String,
    /// How long a session lasts whatever happens
    #[arg(
        long,
        env = "BFF_SESSION_LONGEST",
        default_value = "7d",
        value_name = "TIME"
    )]
    pub bff_session_longest: String,
    /// Most sessions of one user in the store of an app; beyond, the one that was used longest ago ends (1 to 1000)
    #[arg(
        long,
        env = "BFF_SESSIONS_PER_USER",
        default_value = "50",
        value_name = "N"
    )]
    pub bff_sessions_per_user: String,
    /// Access tokens that end this soon are renewed before a call
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
}

impl Default for BffArgs {
    fn default() -> Self {
        Self {
            bff_session_mode: None,
            bff_session_mode_choice: "off".to_owned(),
            bff_session_idle: "8h".to_owned(),
            bff_session_longest: "7d".to_owned(),
            bff_sessions_per_user: "50".to_owned(),
            bff_token_margin: "30s".to_owned(),
            bff_audience_by: "resource".to_owned(),
        }
    }
}

impl BffArgs {
    fn mode_choice(&self, problems: &mut Problems) -> Option<bool> {
        match self.bff_session_mode_choice.as_str() {
            "on" => Some(true),
            "off" => Some(false),
            other => {
                let why = format_args!("{other:?}: on or off");
                problems.add("BFF_SESSION_MODE_CHOICE", why);
                None
            }
        }
    }

    fn per_user(&self, problems: &mut Problems) -> Option<usize> {
        const KEY: &str = "BFF_SESSIONS_PER_USER";
        let per_user = problems.parse(KEY, &self.bff_sessions_per_user);
        if per_user.is_some_and(|per_user| !PER_USER.contains(&per_user)) {
            let (least, most) = (PER_USER.start(), PER_USER.end());
            problems.add(KEY, format_args!("from {least} to {most}"));
        }
        per_user
    }
}

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
    /// Where sealing keys are kept.
    pub state_dir: StateDir,
    /// Worker threads.
    pub workers: usize,
    /// Proxies whose word counts about the client's address.
    pub trusted_proxies: TrustedProxies,
    /// Defences that a lab has switched off.
    pub weaknesses: Weaknesses,
}

/// All that settings are read from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// What all services share.
    pub common: &'a Common,
    /// Who the provider is.
    pub issuer: &'a IssuerArgs,
    /// Whom the apps call.
    pub peers: &'a BffPeerArgs,
    /// What both apps share.
    pub bff: &'a BffArgs,
    /// The app's own session mode, by the name of its variable; it wins.
    pub own_mode: (&'static str, Option<&'a str>),
}

impl Config {
    /// Checks everything; what is wrong goes to `problems`. `auth` is `None`
    /// where the app has found it wrong already.
    pub fn read(
        app: App,
        from: Sources<'_>,
        auth: Option<ClientAuth>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let Sources {
            common,
            peers,
            bff,
            own_mode,
            ..
        } = from;
        let addresses = &common.addresses;
        let common_mode = ("BFF_SESSION_MODE", bff.bff_session_mode.as_deref());
        let mode = match [own_mode, common_mode].into_iter().find(|m| m.1.is_some()) {
            Some((key, Some(name))) => problems.parse(key, name),
            _ => Some(app.mode),
        };
        let mode_choice = bff.mode_choice(problems);
        let mut url = |key, given: &Option<String>, default: Option<String>| match given {
            Some(text) => problems.http_url(key, text),
            None => default,
        };
        let api1_url = url("API1_URL", &peers.api1_url, Some(addresses.url(Site::Api1)));
        let api2_grpc_url = url(
            "API2_GRPC_URL",
            &peers.api2_grpc_url,
            addresses.grpc_url(Site::Api2),
        );
        let issuer = from.issuer.read(common, problems);
        let idle = time("BFF_SESSION_IDLE", &bff.bff_session_idle, problems);
        let longest = time("BFF_SESSION_LONGEST", &bff.bff_session_longest, problems);
        let margin = time("BFF_TOKEN_MARGIN", &bff.bff_token_margin, problems);
        let per_user = bff.per_user(problems);
        let audience_by = problems.parse("BFF_AUDIENCE_BY", &bff.bff_audience_by);
        let trusted_proxies = TrustedProxies::read(common, problems);
        Some(Self {
            app,
            addresses: addresses.clone(),
            issuer: issuer?,
            api1_url: api1_url?,
            api2_grpc_url: api2_grpc_url?,
            trust: common.trust.clone(),
            auth: auth?,
            lifetimes: SessionLifetimes {
                idle: idle?,
                longest: longest?,
            },
            sessions_per_user: per_user?,
            login_budget: common.login_budget,
            mode: mode?,
            mode_choice: mode_choice?,
            token_margin: margin?,
            audience_by: audience_by?,
            state_dir: common.state_dir.clone(),
            workers: common.workers,
            trusted_proxies: trusted_proxies?,
            weaknesses: common.weaknesses,
        })
    }
}
