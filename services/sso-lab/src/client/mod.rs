//! What the terminal clients (`batch`, `login`, `device login`) share: where the deployment
//! is, the identity provider, and what an API knows of a token's bearer.

mod args;
mod provider;
mod said;
mod user;
mod whoami;

pub(crate) use args::{Deployment, DeploymentArgs};
pub(crate) use provider::{OidcClient, Provider, ProviderError};
pub(crate) use said::{Said, one_line};
pub(crate) use user::user_name;
pub(crate) use whoami::whoami;

use std::fmt;

/// Prints `text` on a line of the standard output.
#[expect(clippy::print_stdout, reason = "what the command is for")]
pub(crate) fn print(text: impl fmt::Display) {
    println!("{text}");
}

/// Prints why the command failed.
#[expect(clippy::print_stderr, reason = "one clear line on failure")]
pub(crate) fn complain(why: impl fmt::Display) {
    eprintln!("sso-lab: {why}");
}
