//! Everything in one process (the feature `up`), and the command line for deployments that
//! run elsewhere.

#[cfg(feature = "up")]
mod banner;
mod batch;
mod check;
mod cli;
mod client;
#[cfg(feature = "up")]
mod consistency;
#[cfg(feature = "up")]
mod deployment;
mod device;
mod hash_password;
#[cfg(feature = "up")]
mod inside;
mod keys;
mod login;
mod operator;
mod output;
mod secrets;
mod sessions;
#[cfg(feature = "up")]
mod up;

use std::process::ExitCode;

use cli::{Cli, Command, ConfigCommand};
use kit::config::parse_args;
use mimalloc::MiMalloc;

// The allocator of the services' own binaries.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli: Cli = parse_args();
    match cli.into_command() {
        #[cfg(feature = "up")]
        Command::Up(up) => up::run(&up).await,
        Command::Sessions(command) => sessions::run(&command).await,
        Command::Keys(command) => keys::run(&command).await,
        Command::Config(ConfigCommand::Print) => print_config(),
        Command::Config(ConfigCommand::HashPassword(args)) => hash_password::run(&args),
        Command::Check(args) => check::run(&args).await,
        Command::Device(command) => device::run(&command).await,
        Command::Login(args) => login::run(&args).await,
        Command::Batch(args) => batch::run(&args).await,
        Command::Secrets(args) => secrets::run(&args).await,
    }
}

fn print_config() -> ExitCode {
    output::print(idp::settings::DEFAULT.trim_end());
    ExitCode::SUCCESS
}
