//! Everything in one process: the newcomer's way in.

mod banner;
mod cli;
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
    }
}

#[expect(clippy::print_stdout, reason = "what the command is for")]
fn print_config() -> ExitCode {
    print!("{}", idp::settings::DEFAULT);
    ExitCode::SUCCESS
}
