//! The binary of API-1.

use std::process::ExitCode;

use api_1::{Args, Config, SERVICE};
use kit::config::{Site, parse_args};

#[tokio::main]
async fn main() -> ExitCode {
    let args: Args = parse_args();
    let read = |common: &_, problems: &mut _| {
        let Args {
            issuer,
            peers,
            introspection,
            own,
            proofs,
            ..
        } = &args;
        let config = Config::read(common, issuer, peers, introspection, own, proofs, problems);
        config.and_then(|config| config.of_own_process(common, problems))
    };
    launch::service(SERVICE, Site::Api1, &args.common, read, api_1::build).await
}
