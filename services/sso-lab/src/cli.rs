//! The command line.

#[cfg(feature = "up")]
use bff_kit::BffArgs;
#[cfg(feature = "up")]
use clap::Args;
use clap::{Parser, Subcommand};
#[cfg(feature = "up")]
use kit::config::CommonArgs;
#[cfg(feature = "up")]
use token_verify::{IntrospectionArgs, dpop::ProofArgs};

use crate::{
    batch::BatchArgs, check::CheckArgs, device::DeviceCommand, hash_password::HashArgs,
    keys::KeysCommand, login::LoginArgs, secrets::SecretsArgs, sessions::SessionsCommand,
};

/// Single sign-on, from the browser to the last API, in one process.
///
/// Starts an OpenID Provider, two apps with a backend for frontend each, two
/// APIs and a start page. Without flags all of it runs on localhost with an
/// in-memory store; no setup is needed, and no data remains.
///
/// The services call each other over the network, at the addresses that this
/// process listens on.
#[cfg(feature = "up")]
#[derive(Debug, Parser)]
#[command(name = "sso-lab", version, args_conflicts_with_subcommands = true, after_long_help = EXAMPLES)]
pub struct Cli {
    /// The command [default: up]
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Settings of `up`.
    #[command(flatten)]
    pub up: UpArgs,
}

/// The command line of sso-lab, for a deployment that runs elsewhere.
///
/// Checks it by the flows of a user, signs in from the terminal, places orders without a
/// user, creates its secrets on Kubernetes, lists and ends its users'
/// sessions. (This binary was built without `up`, which starts everything in one
/// process.)
#[cfg(not(feature = "up"))]
#[derive(Debug, Parser)]
#[command(name = "sso-lab", version)]
pub struct Cli {
    /// The command
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The command, or the default one.
    #[cfg(feature = "up")]
    pub fn into_command(self) -> Command {
        let up = || Command::Up(Box::new(self.up));
        self.command.unwrap_or_else(up)
    }

    /// The command.
    #[cfg(not(feature = "up"))]
    pub fn into_command(self) -> Command {
        self.command
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything (the default)
    #[cfg(feature = "up")]
    Up(Box<UpArgs>),
    // A command without a comment here is described at its arguments.
    Check(Box<CheckArgs>),
    Login(Box<LoginArgs>),
    /// Sign in on a device without a browser
    #[command(subcommand)]
    Device(Box<DeviceCommand>),
    Batch(Box<BatchArgs>),
    /// List or end the sessions of a running deployment
    #[command(subcommand)]
    Sessions(Box<SessionsCommand>),
    /// List or rotate the signing keys of a running deployment; add, list and revoke API keys
    #[command(subcommand)]
    Keys(Box<KeysCommand>),
    /// Print the configuration of the identity provider, or hash a password for it
    #[command(subcommand)]
    Config(ConfigCommand),
    Secrets(Box<SecretsArgs>),
}

/// The commands for the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the built-in configuration: users, clients, resources, policies
    Print,
    /// Print the hash of a password, for `password_hash` of a user
    HashPassword(HashArgs),
}

/// All settings.
#[cfg(feature = "up")]
#[derive(Args, Debug)]
// The process has eight HTTP services, and each worker thread takes memory.
#[command(mut_arg("workers", |workers| workers.default_value("1")))]
pub struct UpArgs {
    /// The settings of all services.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Serves no live diagram, which the one process has on localhost, and elsewhere with --lab
    #[arg(long, env = "NO_LAB", value_parser = kit::config::flag)]
    pub no_lab: bool,
    /// The settings of the provider.
    #[command(flatten)]
    pub idp: idp::Args,
    /// The settings of both apps.
    #[command(flatten)]
    pub bff: BffArgs,
    /// The settings of the first app.
    #[command(flatten)]
    pub app1: app1_bff::OwnArgs,
    /// The settings of the second app.
    #[command(flatten)]
    pub app2: app2_bff::OwnArgs,
    /// The introspection of tokens by the APIs.
    #[command(flatten)]
    pub introspection: IntrospectionArgs,
    /// The settings of API-1.
    #[command(flatten)]
    pub api1: api_1::OwnArgs,
    /// The settings of API-2.
    #[command(flatten)]
    pub api2: api_2::OwnArgs,
    /// The settings of the lab.
    #[command(flatten)]
    pub lab: lab::OwnArgs,
    /// The settings of both APIs for DPoP.
    #[command(flatten)]
    pub proofs: ProofArgs,
}

#[cfg(feature = "up")]
const EXAMPLES: &str = "\
Examples:
  sso-lab                                   all on localhost, in memory
  sso-lab --port-offset 1000                the same, each port 1000 higher
  sso-lab --redis-url redis://127.0.0.1/    sessions outlive the process...
          --state-dir .state                ...and so do the keys that open them
  sso-lab config print > my.toml            a configuration of your own
  sso-lab config hash-password              the hash of a password, for that file
  sso-lab --config my.toml
  sso-lab check                             runs a user's flows against the running lab
  sso-lab login                             signs you in, in your browser
  sso-lab device login                      signs you in, by a code on another device
  sso-lab batch orders.jsonl                places orders, without a user
  sso-lab keys api add --name shop --state-dir .state
                                            an API key for API-1
  sso-lab sessions list --state-dir .state  who is signed in
  sso-lab sessions revoke --user alice --state-dir .state
  sso-lab keys list --state-dir .state      the signing keys
  sso-lab keys rotate --state-dir .state    new ones, used a while after they are published

Traces go to OTEL_EXPORTER_OTLP_ENDPOINT, if it is set. RUST_LOG selects the log lines.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    #[cfg(feature = "up")]
    fn up_is_the_default_and_takes_the_same_flags() {
        let cli = Cli::parse_from(["sso-lab", "--port-offset", "1000"]);
        assert!(cli.command.is_none());
        assert_eq!(cli.up.common.addresses.port_offset, "1000");
        let cli = Cli::parse_from(["sso-lab", "up", "--port-offset", "1000"]);
        let Command::Up(up) = cli.into_command() else {
            panic!("up is a subcommand");
        };
        assert_eq!(up.common.addresses.port_offset, "1000");
    }

    #[test]
    #[cfg(feature = "up")]
    fn each_service_of_the_one_process_has_one_worker_unless_set() {
        let workers = |flags: &[&str]| Cli::parse_from(flags).up.common.workers;
        assert_eq!(workers(&["sso-lab"]), "1");
        assert_eq!(workers(&["sso-lab", "--workers", "4"]), "4");
    }
}
