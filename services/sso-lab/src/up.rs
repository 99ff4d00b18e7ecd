//! Starting everything.

use std::process::ExitCode;

use bff_kit::BffPeerArgs;
use kit::{
    config::{Common, Problems, Site},
    net::Listeners,
    random::OsRandom,
    running::Running,
};
use launch::Platform;
use token_verify::IssuerArgs;

use crate::{banner, cli::UpArgs};

const SERVICES: [&str; 6] = [
    lab::SERVICE,
    idp::SERVICE,
    app1_bff::APP.service,
    app2_bff::APP.service,
    api_1::SERVICE,
    api_2::SERVICE,
];

/// One service: its settings and its sockets.
struct Part<C> {
    config: C,
    listeners: Listeners,
}

struct Parts {
    lab: Part<lab::Config>,
    idp: Part<idp::Config>,
    app1: Part<app1_bff::Config>,
    app2: Part<app2_bff::Config>,
    api1: Part<api_1::Config>,
    api2: Part<api_2::Config>,
}

/// Runs until Ctrl-C or SIGTERM.
pub async fn run(args: &UpArgs) -> ExitCode {
    let read = |common: &Common, problems: &mut Problems| read(args, common, problems);
    let built_in = args.idp.config.is_none();
    let start = |parts, platform| start(parts, platform, built_in);
    launch::program("sso-lab", &SERVICES, &args.common, read, start).await
}

/// Everything is read and every port is bound before anything starts.
fn read(args: &UpArgs, common: &Common, problems: &mut Problems) -> Option<Parts> {
    let issuer = IssuerArgs {
        idp_issuer: args.idp.issuer.clone(),
        ..IssuerArgs::default()
    };
    let peers = BffPeerArgs::default();
    let lab = lab::Config::read(common, problems);
    let mut idp = idp::Config::read(&args.idp, common, problems);
    let app1 = app1_bff::config(common, &issuer, &peers, &args.bff, &args.app1, problems);
    let key = args.app2.key(&common.state_dir, &OsRandom, problems);
    if let (Some(idp), Some(key)) = (&mut idp, &key) {
        idp.client_keys
            .insert(app2_bff::APP.client_id.to_owned(), key.public_jwks());
    }
    let app2 = app2_bff::config(
        common, &issuer, &peers, &args.bff, &args.app2, key, problems,
    );
    let api1 = api_1::Config::read(common, &issuer, &api_1::PeerArgs::default(), problems);
    let api2 = api_2::Config::read(common, &issuer, problems);
    let mut bind = |site| Listeners::bind(common, site, problems);
    let bound = [
        Site::Lab,
        Site::Idp,
        Site::App1,
        Site::App2,
        Site::Api1,
        Site::Api2,
    ]
    .map(&mut bind);
    let [lab_at, idp_at, app1_at, app2_at, api1_at, api2_at] = bound;
    Some(Parts {
        lab: Part {
            config: lab?,
            listeners: lab_at?,
        },
        idp: Part {
            config: idp?,
            listeners: idp_at?,
        },
        app1: Part {
            config: app1?,
            listeners: app1_at?,
        },
        app2: Part {
            config: app2?,
            listeners: app2_at?,
        },
        api1: Part {
            config: api1?,
            listeners: api1_at?,
        },
        api2: Part {
            config: api2?,
            listeners: api2_at?,
        },
    })
}

async fn start(parts: Parts, platform: Platform, built_in: bool) -> Result<Running, Problems> {
    let Platform {
        common,
        store,
        ground,
    } = platform;
    let Parts {
        lab,
        idp,
        app1,
        app2,
        api1,
        api2,
    } = parts;
    let mut running = Running::new();
    running.extend(idp::build(idp.config, idp.listeners, store.clone(), ground.clone()).await?);
    running.extend(api_2::build(api2.config, api2.listeners, store.clone(), ground.clone()).await?);
    running.extend(api_1::build(api1.config, api1.listeners, store.clone(), ground.clone()).await?);
    running
        .extend(app1_bff::build(app1.config, app1.listeners, store.clone(), ground.clone()).await?);
    running.extend(app2_bff::build(app2.config, app2.listeners, store, ground.clone()).await?);
    running.extend(lab::build(lab.config, lab.listeners, ground.clone()).await?);
    tokio::spawn(async move {
        if ground
            .shutdown
            .unless_begun(banner::until_ready(&common))
            .await
            .is_some()
        {
            banner::print(&common, built_in);
        }
    });
    Ok(running)
}
