//! The lab's start page as a process of its own.

use std::process::ExitCode;

use clap::Parser;
use kit::config::{CommonArgs, Site};

/// The start page of sso-lab: what runs where, who can sign in.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    common: CommonArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    // The lab keeps nothing: it has no use for the store.
    let build = |config, listeners, _, ground| lab::build(config, listeners, ground);
    launch::service(
        lab::SERVICE,
        Site::Lab,
        &args.common,
        lab::Config::read,
        build,
    )
    .await
}
