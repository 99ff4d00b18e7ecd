//! `sso-lab up`: starts all services in this process.

use std::{process::ExitCode, sync::Arc};

use kit::{
    Deps,
    config::{Common, LabArgs, Problems},
    running::Running,
};
use launch::Platform;

use crate::{
    banner,
    cli::UpArgs,
    deployment::{Deployment, Services},
};

const SERVICES: [&str; 8] = [
    lab::start::SERVICE,
    lab::spa::SERVICE,
    lab::evil::SERVICE,
    idp::SERVICE,
    app1_bff::APP.service,
    app2_bff::APP.service,
    api_1::SERVICE,
    api_2::SERVICE,
];

/// Runs until Ctrl-C or SIGTERM.
pub async fn run(args: &UpArgs) -> ExitCode {
    let read = |common: &Common, problems: &mut Problems| {
        Deployment::new(args, common, problems).services(problems)
    };
    let built_in = args.idp.config.is_none();
    let mut common = args.common.clone();
    if args.no_lab {
        common.live_diagram = LabArgs::default();
    } else {
        common.live_diagram.makes_secret = true;
    }
    let start = |services, platform| start(services, platform, built_in);
    // Boxed: it holds the settings of all services.
    Box::pin(launch::program("sso-lab", &SERVICES, &common, read, start)).await
}

async fn start(
    services: Services,
    platform: Platform,
    built_in: bool,
) -> Result<Running, Problems> {
    let Platform {
        common,
        store,
        deps,
    } = platform;
    // A service stops after its callers, so that requests in flight get all the
    // responses that they need. The services that browsers call stop first.
    let shutdown = deps.shutdown.clone();
    let in_turn = || {
        let (shutdown, turn) = shutdown.in_turn();
        let deps = Deps {
            shutdown,
            ..deps.clone()
        };
        (deps, turn)
    };
    // Starts `$service` on the common store.
    macro_rules! start {
        ($service:ident, $configured:expr, $deps:expr) => {{
            let (config, listeners) = $configured;
            $service::build(config, listeners, Arc::clone(&store), $deps).await?
        }};
    }
    let (idp_deps, idp_turn) = in_turn();
    let (api2_deps, api2_turn) = in_turn();
    let (api1_deps, api1_turn) = in_turn();
    let idp = start!(idp, services.idp, idp_deps);
    let api2 = start!(api_2, services.api2, api2_deps);
    let api1 = start!(api_1, services.api1, api1_deps);
    let mut running = start!(app1_bff, services.app1, deps.clone());
    running.extend(start!(app2_bff, services.app2, deps.clone()));
    let (config, at) = services.lab;
    running.extend(lab::build(&config, at, &deps)?);
    for (next, turn) in [(api1, api1_turn), (api2, api2_turn), (idp, idp_turn)] {
        running = running.before(turn, &deps.shutdown);
        running.extend(next);
    }
    tokio::spawn(async move {
        let ready = deps.shutdown.unless_begun(banner::until_ready(&common));
        if ready.await.is_some() {
            banner::print(&common, built_in);
        }
    });
    Ok(running)
}
