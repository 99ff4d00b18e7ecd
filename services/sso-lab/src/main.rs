//! Everything in one process: the newcomer's way in.

mod banner;
mod check;
mod cli;
mod hash_password;
mod secrets;
mod sessions;
mod up;

use std::process::ExitCode;

use clap::Parser as _;
use cli::{Cli, Command, ConfigCommand};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        None => up::run(&cli.up).await,
        Some(Command::Up(up)) => up::run(&up).await,
        Some(Command::Sessions(command)) => sessions::run(&command).await,
        Some(Command::Config(ConfigCommand::Print)) => print_config(),
        Some(Command::Config(ConfigCommand::HashPassword(args))) => hash_password::run(&args),
        Some(Command::Check(args)) => check::run(&args).await,
        Some(Command::Secrets(args)) => secrets::run(&args).await,
    }
}

#[expect(clippy::print_stdout, reason = "what the command is for")]
fn print_config() -> ExitCode {
    print!("{}", idp::settings::DEFAULT);
    ExitCode::SUCCESS
}
