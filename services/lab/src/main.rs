//! The binary of the lab's sites.

use std::process::ExitCode;

use clap::Parser;
use kit::{
    config::{Common, CommonArgs, Problems, Site, parse_args},
    listeners::Listeners,
};
use lab::{Config, Sockets};

/// The sites of the lab: the start page (services and users), the single-page app and
/// the attacker's site.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    own: lab::OwnArgs,
    /// Issuer of the tokens, exactly as they name it [default: the provider's public URL]
    #[arg(long, env = "IDP_ISSUER", value_name = "URL")]
    idp_issuer: Option<String>,
    /// Whether the demo users alice and bob can sign in, for the start page: on or off
    #[arg(long, env = "DEMO_USERS", default_value = "on", value_name = "on|off")]
    demo_users: String,
    /// What the apps and APIs of this deployment offer to the scenarios: some of choice
    /// (`BFF_SESSION_MODE_CHOICE`), certificate, api-key, opaque-tokens
    #[arg(
        long = "offers",
        env = "LAB_OFFERS",
        default_value = "",
        value_name = "LIST"
    )]
    offers: String,
}

fn read(args: &Args, common: &Common, problems: &mut Problems) -> Option<(Config, Sockets)> {
    let config = Config::read(common, &args.own, args.idp_issuer.as_deref(), problems);
    let demo_users = problems.switch("DEMO_USERS", &args.demo_users);
    let offers = args
        .offers
        .parse()
        .map_err(|error: String| problems.add("LAB_OFFERS", error));
    // All are bound, so that every taken port is reported.
    let [start, spa, evil] = Listeners::bind(common, [Site::Lab, Site::Spa, Site::Evil], problems);
    let sockets = Sockets {
        start: start?,
        spa: spa?,
        evil: evil?,
    };
    let config = Config {
        demo_users: demo_users?,
        offers: offers.ok()?,
        ..config?
    };
    Some((config, sockets))
}

#[tokio::main]
async fn main() -> ExitCode {
    let args: Args = parse_args();
    // The lab stores nothing and ignores the store.
    let build = async |(config, at): (Config, Sockets), platform: launch::Platform| {
        lab::build(&config, at, &platform.deps)
    };
    let read = |common: &Common, problems: &mut Problems| read(&args, common, problems);
    launch::program(lab::PROGRAM, &lab::SERVICES, &args.common, read, build).await
}
