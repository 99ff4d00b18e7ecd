//! The binary of API-1.

use std::process::ExitCode;

use api_1::{Args, Config, SERVICE};
use kit::config::{Site, parse_args};

#[tokio::main]
async fn main() -> ExitCode {
    let args: Args = parse_args();
    let read = |common: &_, problems: &mut _| {
        Config::read(common, &args.issuer, &args.peers, &args.own, problems)
    };
    launch::service(SERVICE, Site::Api1, &args.common, read, api_1::build).await
}
