//! `sso-lab keys`: the keys of a deployment.

mod api;
mod lab;
mod signing;

use std::process::ExitCode;

use clap::Subcommand;

use self::{api::ApiCommand, lab::LabKeyArgs};
use crate::operator::OperatorArgs;

/// The commands for keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// List the identity provider's signing keys, as /jwks publishes them
    List {
        /// The provider and the operator's key.
        #[command(flatten)]
        at: OperatorArgs,
    },
    /// Make new signing keys: published now, used after IDP_KEY_PUBLISH_DELAY
    ///
    /// The present keys sign until then, and stay published for as long as a token that
    /// they signed is valid. No request fails. While a key waits to sign, no other one
    /// is made.
    #[command(
        after_help = "Exit code 0 when a new key is published or waits already, 1 when not, 2 for a bad argument."
    )]
    Rotate {
        /// Only the key of this algorithm: ES256, RS256 or EdDSA
        #[arg(long, value_name = "ALG")]
        alg: Option<String>,
        /// After a compromise: the new key signs at once, and all others are withdrawn. Tokens that they signed are refused, so users and apps renew them
        #[arg(long)]
        now: bool,
        /// The provider and the operator's key.
        #[command(flatten)]
        at: OperatorArgs,
    },
    /// API keys for API-1
    #[command(subcommand)]
    Api(ApiCommand),
    /// Print the key that controls the services of a lab (see docs/lab.md)
    Lab(LabKeyArgs),
}

/// Runs the command. The exit code is 0, 1 after a failure, or 2 for bad arguments.
pub async fn run(command: &KeysCommand) -> ExitCode {
    match command {
        KeysCommand::List { at } => signing::run_list(at).await,
        KeysCommand::Rotate { alg, now, at } => {
            signing::run_rotate(at, alg.clone().unwrap_or_default(), *now).await
        }
        KeysCommand::Api(command) => api::run(command),
        KeysCommand::Lab(args) => lab::run(args),
    }
}
