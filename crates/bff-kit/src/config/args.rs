//! The command line of an app's own process, and its environment variables.

use std::ops::RangeInclusive;

use clap::{Args, Parser};
use kit::config::{Common, CommonArgs, Problems};
use token_verify::IssuerArgs;

use super::{Config, Sources};
use crate::{app::App, client_auth::ClientAuth};

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
        let auth = self.own.client_auth(common, problems);
        Config::read(&self.own, sources, auth, problems)
    }
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
}

/// How the apps keep sessions and renew tokens.
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
    /// Whether a login may choose its session's mode.
    pub(super) fn mode_choice(&self, problems: &mut Problems) -> Option<bool> {
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

    /// How many sessions one user may have.
    pub(super) fn per_user(&self, problems: &mut Problems) -> Option<usize> {
        const KEY: &str = "BFF_SESSIONS_PER_USER";
        let per_user = problems.parse(KEY, &self.bff_sessions_per_user);
        if per_user.is_some_and(|per_user| !PER_USER.contains(&per_user)) {
            let (least, most) = (PER_USER.start(), PER_USER.end());
            problems.add(KEY, format_args!("from {least} to {most}"));
        }
        per_user
    }
}
