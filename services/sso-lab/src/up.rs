//! Starting everything.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use bff_kit::{BffPeerArgs, ClientAuth, OwnArgs as _, Sources};
use kit::{
    Deps,
    config::{Common, Problems, Site},
    listeners::Listeners,
    random::OsRandom,
    running::Running,
};
use launch::Platform;
use token_verify::IssuerArgs;

use crate::{banner, cli::UpArgs};

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

/// One service: its settings and its sockets.
type Part<C> = (C, Listeners);

struct Parts {
    lab: (lab::Config, lab::Sockets),
    idp: Part<idp::Config>,
    first: Part<app1_bff::Config>,
    second: Part<app2_bff::Config>,
    orders: Part<api_1::Config>,
    inventory: Part<api_2::Config>,
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
    // Whatever browsers see: inside this process a service is where it listens.
    let local = |site| Some(banner::local_url(common, common.addresses.port(site)));
    let grpc = |site| {
        let port = common.addresses.grpc_port(site)?;
        Some(banner::local_url(common, port))
    };
    let issuer = IssuerArgs {
        idp_issuer: args.idp.issuer.clone(),
        idp_internal_url: local(Site::Idp),
    };
    let peers = BffPeerArgs {
        api1_url: local(Site::Api1),
        api2_grpc_url: grpc(Site::Api2),
    };
    let api1_peers = api_1::PeerArgs {
        idp_grpc_url: grpc(Site::Idp),
        api2_url: local(Site::Api2),
        api2_grpc_url: grpc(Site::Api2),
    };
    let (mut own, mut api1_own) = (args.app1.clone(), args.api1.clone());
    if args.idp.config.is_none() {
        // The provider's configuration is the built-in one, at any domain: its
        // clients are known to it by these secrets.
        or_demo(
            &mut own.app1_client_secret,
            own.app1_client_secret_file.as_ref(),
            app1_bff::DEMO_SECRET,
        );
        or_demo(
            &mut api1_own.api1_client_secret,
            api1_own.api1_client_secret_file.as_ref(),
            api_1::DEMO_SECRET,
        );
    }
    let mut lab = lab::Config::read(common, args.idp.issuer.as_deref(), problems);
    let mut idp = idp::Config::read(&args.idp, common, problems);
    if let (Some(lab), Some(idp)) = (&mut lab, &idp) {
        lab.demo_users = idp.has_demo_users();
    }
    if let Some(idp) = &mut idp {
        idp.keep_operator_key(&OsRandom, problems);
        for app in [Site::App1, Site::App2] {
            let inside = banner::local_url(common, common.addresses.port(app));
            idp.reach_at(&common.addresses.url(app), &inside);
        }
    }
    let bff = Sources {
        common,
        issuer: &issuer,
        peers: &peers,
        bff: &args.bff,
    };
    let auth = own.client_auth(common, problems);
    let first = app1_bff::Config::read(&own, bff, auth, problems);
    let key = args.app2.key(&common.state_dir, &OsRandom, problems);
    if let (Some(idp), Some(key)) = (&mut idp, &key) {
        idp.give_client_keys(app2_bff::APP.client_id, key.public_jwks());
    }
    let auth = key.map(ClientAuth::PrivateKeyJwt);
    let second = app2_bff::Config::read(&args.app2, bff, auth, problems);
    let orders = api_1::Config::read(common, &issuer, &api1_peers, &api1_own, problems);
    let inventory = api_2::Config::read(common, &issuer, problems);
    // In the order of `Site::ALL`; each is tried, so that every taken port is named.
    let bound = Listeners::bind(common, Site::ALL, problems);
    let [
        lab_at,
        idp_at,
        first_at,
        second_at,
        orders_at,
        inventory_at,
        spa_at,
        evil_at,
    ] = bound;
    let sites = lab::Sockets {
        start: lab_at?,
        spa: spa_at?,
        evil: evil_at?,
    };
    Some(Parts {
        lab: (lab?, sites),
        idp: (idp?, idp_at?),
        first: (first?, first_at?),
        second: (second?, second_at?),
        orders: (orders?, orders_at?),
        inventory: (inventory?, inventory_at?),
    })
}

fn or_demo(secret: &mut Option<String>, file: Option<&PathBuf>, demo: &str) {
    if secret.is_none() && file.is_none() {
        *secret = Some(demo.to_owned());
    }
}

async fn start(parts: Parts, platform: Platform, built_in: bool) -> Result<Running, Problems> {
    let Platform {
        common,
        store,
        deps,
    } = platform;
    // What is called by others ends after them: a request that is under way
    // gets all the answers that it needs. The browser's side is the first.
    let shutdown = deps.shutdown.clone();
    let in_turn = || {
        let (shutdown, turn) = shutdown.in_turn();
        let deps = Deps {
            shutdown,
            ..deps.clone()
        };
        (deps, turn)
    };
    // `$service` with its part, on the common store and `$deps`.
    macro_rules! start {
        ($service:ident, $part:expr, $deps:expr) => {{
            let (config, listeners) = $part;
            $service::build(config, listeners, Arc::clone(&store), $deps).await?
        }};
    }
    let (to_idp, idps_turn) = in_turn();
    let (to_inventory, inventorys_turn) = in_turn();
    let (to_orders, orders_turn) = in_turn();
    let idp = start!(idp, parts.idp, to_idp);
    let inventory = start!(api_2, parts.inventory, to_inventory);
    let orders = start!(api_1, parts.orders, to_orders);
    let mut running = start!(app1_bff, parts.first, deps.clone());
    running.extend(start!(app2_bff, parts.second, deps.clone()));
    let (config, at) = parts.lab;
    running.extend(lab::build(&config, at, &deps)?);
    for (next, turn) in [
        (orders, orders_turn),
        (inventory, inventorys_turn),
        (idp, idps_turn),
    ] {
        running = running.before(turn, &deps.shutdown);
        running.extend(next);
    }
    tokio::spawn(async move {
        if deps
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
