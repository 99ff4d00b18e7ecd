//! Starts an app.

use std::sync::Arc;

use actix_web::web;
use kit::{
    Deps,
    admission::Admission,
    config::Problems,
    lab_control,
    listeners::{Listeners, Sockets},
    metrics::Metrics,
    readiness::Readiness,
    running::Running,
    seal::Keyring,
};
use store::SharedStore;
use web_kit::server::HttpServer;

use crate::{
    callback::CALLBACK,
    config::Config,
    credentials::Credentials,
    csrf::Csrf,
    lab_agent,
    meters::Meters,
    pre_session::PreSessions,
    prover::Prover,
    provider::{Provider, ProviderSettings},
    proxy::{MAX_BODY, UpstreamUrls, Upstreams},
    recent_logouts::RecentLogouts,
    routes::{routes, trace_from},
    second_provider,
    sessions::{SessionParts, SessionSettings, Sessions},
    state::Bff,
    used_logout_tokens::UsedLogoutTokens,
};

/// The master key in the state directory from which an app's keys are derived. A
/// former one beside it (`.previous`) still opens what it sealed.
const SEALING_KEY: &str = "bff-sealing.key";
/// The file from which the keys of the apps' DPoP proofs are derived.
const DPOP_KEY: &str = "bff-dpop.key";

/// Starts the app on `listeners`. It is ready once it has reached the store
/// and the provider.
pub async fn build(
    config: Config,
    listeners: Listeners,
    store: SharedStore,
    deps: Deps,
) -> Result<Running, Problems> {
    let deps = deps.of_service(config.app.service);
    let mut problems = Problems::new();
    let urls = (&*config.api1_url, &*config.api2_grpc_url);
    let mtls = config.credentials.mtls.as_ref();
    let urls = UpstreamUrls::read(urls, &config.trust, mtls, &mut problems);
    let masters = config.state_dir.sealing_keys(SEALING_KEY, &*deps.random);
    let masters = masters
        .map_err(|error| problems.add("STATE_DIR", error))
        .ok();
    let prover = prover(&config, &deps, &mut problems);
    let (Some(urls), Some(masters), true) = (urls, masters, problems.is_empty()) else {
        return Err(problems);
    };
    let app = config.app;
    let origin = config.addresses.url(app.site);
    let csrf = Csrf::new(&origin, &masters[0], app.client_id);
    let csrf = web::Data::new(csrf.weakened(config.weaknesses));
    let readiness = Readiness::waiting_for(deps.shutdown.clone(), &["store", "idp"]);
    let metrics = Metrics::new(app.service)?;
    let (store, meters) = (store::measured(&store, &metrics), Meters::new(&metrics));
    let server = http_server(&config, listeners.metrics, metrics, (&readiness, &deps));
    let redirect_uri = format!("{origin}{CALLBACK}");
    let second = config.second_issuer.clone().map(|issuer| {
        let (id, meters) = (app.client_id, meters.clone());
        let second = second_provider::provider(issuer, id, &redirect_uri, &deps, meters);
        Arc::new(second)
    });
    let provider = ProviderSettings {
        issuer: config.issuer.clone(),
        client_id: app.client_id.to_owned(),
        auth: config.auth.clone(),
        redirect_uri,
    };
    let provider = Provider::new(provider, &deps, meters.clone()).weakened(config.weaknesses);
    let control = lab_control::of_service(app.service);
    let provider = provider.noting_failures_in(control.clone());
    let provider = Arc::new(provider.proving(prover));
    let jwks = provider.jwks().clone();
    tokio::spawn(jwks.keep_fresh(deps.shutdown.clone()));
    let bff = assemble(config, provider.clone(), &store, deps, &masters, meters);
    let bff = web::Data::new(Bff {
        second_provider: second,
        control,
        ..bff
    });
    let running = server.serve(listeners.http, move |cfg| {
        let upstreams = web::Data::new(Upstreams::new(&urls));
        routes(cfg, bff.clone(), csrf.clone(), upstreams);
    });
    let running = running.map_err(|error| Problems::one(app.service, error))?;
    tokio::spawn(get_ready(readiness, store, provider));
    Ok(running)
}

/// The server of the app's pages and calls; `metrics_at` has the sockets for metrics alone.
fn http_server(
    config: &Config,
    metrics_at: Sockets,
    metrics: Metrics,
    (readiness, deps): (&Readiness, &Deps),
) -> HttpServer {
    HttpServer {
        service: config.app.service,
        metrics,
        readiness: readiness.clone(),
        shutdown: deps.shutdown.clone(),
        workers: config.workers,
        trusted_proxies: config.trusted_proxies.clone(),
        trace: trace_from,
        sites: config.addresses.sites(),
        body_limit: MAX_BODY,
        admission: Admission::of_process(),
        metrics_at,
    }
}

/// What proves possession of the app's key, if its tokens are bound to one. What is wrong
/// goes to `problems`.
fn prover(config: &Config, deps: &Deps, problems: &mut Problems) -> Option<Prover> {
    if !config.dpop {
        return None;
    }
    let master = config.state_dir.sealing_key(DPOP_KEY, &*deps.random);
    let master = master
        .map_err(|error| problems.add("STATE_DIR", error))
        .ok()?;
    let prover = Prover::new(&master, config.app.client_id, &config.addresses, deps);
    if prover.is_none() {
        problems.add("BFF_DPOP", "the app's key cannot be derived");
    }
    prover
}

/// Waits until the store and the provider have been reached.
async fn get_ready(readiness: Readiness, store: SharedStore, provider: Arc<Provider>) {
    let reached = readiness.until_reached("store", || store.ping()).await;
    if reached.is_some() {
        readiness
            .until_reached("idp", || provider.discovery())
            .await;
    }
}

fn assemble(
    config: Config,
    provider: Arc<Provider>,
    store: &SharedStore,
    deps: Deps,
    masters: &[[u8; kit::seal::KEY_LEN]],
    meters: Meters,
) -> Bff {
    let client_id = config.app.client_id;
    // A key for each app and purpose: no record can be opened as another one.
    let keyring = |what: &str| Keyring::new(masters, &format!("bff {client_id} {what}"));
    let settings = SessionSettings {
        lifetimes: config.lifetimes,
        per_user: config.sessions_per_user,
        mode: config.mode,
        choice: config.mode_choice,
        margin: config.token_margin,
        audience_by: config.audience_by,
    };
    let (by, margin) = (config.audience_by, config.token_margin);
    let credentials = Credentials::new(config.credentials, &provider, by, (&deps.clock, margin));
    let credentials = Arc::new(credentials);
    let parts = SessionParts {
        store,
        provider: &provider,
        credentials: &credentials,
        jwks: provider.jwks(),
        deps: &deps,
        settings,
        meters: &meters,
    };
    let sessions = Arc::new(Sessions::new(&parts, keyring));
    lab_agent::act(config.app, &sessions);
    let used_logout_tokens = UsedLogoutTokens::new(store.clone(), client_id);
    let keyring = keyring("login");
    let budget = config.login_budget;
    let pre_sessions = PreSessions::new(store.clone(), keyring, &deps, client_id, budget);
    let pre_sessions = pre_sessions.weakened(config.weaknesses);
    Bff {
        app: config.app,
        addresses: config.addresses,
        weaknesses: config.weaknesses,
        clock: deps.clock,
        random: deps.random,
        provider,
        second_provider: None,
        control: None,
        pre_sessions,
        sessions,
        used_logout_tokens,
        recent_logouts: RecentLogouts::default(),
        meters,
    }
}
