//! The lab's sites as a process of their own.

use std::process::ExitCode;

use clap::Parser;
use kit::{
    config::{Common, CommonArgs, Problems, Site, parse_args},
    net::Listeners,
};
use lab::{Config, Sockets};

/// The sites of the lab: the start page (what runs where, who can sign in), the
/// single-page app and the attacker's site.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    common: CommonArgs,
    /// Issuer of the tokens, exactly as they name it [default: the provider's public URL]
    #[arg(long, env = "IDP_ISSUER", value_name = "URL")]
    idp_issuer: Option<String>,
}

fn read(args: &Args, common: &Common, problems: &mut Problems) -> Option<(Config, Sockets)> {
    let config = Config::read(common, args.idp_issuer.as_deref(), problems);
    // Each is tried, so that every taken port is named.
    let [start, spa, evil] = Listeners::bind(common, [Site::Lab, Site::Spa, Site::Evil], problems);
    let sockets = Sockets {
        start: start?,
        spa: spa?,
        evil: evil?,
    };
    Some((config?, sockets))
}

#[tokio::main]
async fn main() -> ExitCode {
    let args: Args = parse_args();
    // The lab keeps nothing: it has no use for the store.
    let build = async |(config, at): (Config, Sockets), platform: launch::Platform| {
        lab::build(&config, at, &platform.deps)
    };
    let read = |common: &Common, problems: &mut Problems| read(&args, common, problems);
    launch::program(lab::PROGRAM, &lab::SERVICES, &args.common, read, build).await
}
