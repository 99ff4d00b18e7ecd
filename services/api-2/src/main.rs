//! API-2 as a process of its own.

use std::process::ExitCode;

use api_2::{Args, Config, SERVICE};
use clap::Parser as _;
use kit::config::Site;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let read = |common: &_, problems: &mut _| Config::read(common, &args.issuer, problems);
    launch::service(SERVICE, Site::Api2, &args.common, read, api_2::build).await
}
