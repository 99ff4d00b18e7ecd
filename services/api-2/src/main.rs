//! The binary of API-2.

use std::process::ExitCode;

use api_2::{Args, Config, SERVICE};
use kit::config::{Site, parse_args};

#[tokio::main]
async fn main() -> ExitCode {
    let args: Args = parse_args();
    let read = |common: &_, problems: &mut _| {
        Config::read(
            common,
            &args.issuer,
            &args.introspection,
            &args.own,
            &args.proofs,
            problems,
        )
    };
    launch::service(SERVICE, Site::Api2, &args.common, read, api_2::build).await
}
