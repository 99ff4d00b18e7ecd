//! The provider as a process of its own.

use std::process::ExitCode;

use clap::Parser;
use kit::config::{CommonArgs, Site, parse_args};
use mimalloc::MiMalloc;

// It gives the 19 MiB of a password's check back: glibc keeps them, once for each
// of the threads that took turns at it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The OpenID Provider of sso-lab: signs users in, issues tokens, exchanges them.
///
/// It speaks HTTP and, on its second port, gRPC (sso.idp.v1.TokenExchange).
/// Keep its keys with --state-dir: without it they last as long as the process.
#[derive(Parser)]
#[command(name = "idp", version)]
struct Args {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    idp: idp::Args,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args: Args = parse_args();
    let read = |common: &_, problems: &mut _| idp::Config::read(&args.idp, common, problems);
    launch::service(idp::SERVICE, Site::Idp, &args.common, read, idp::build).await
}
