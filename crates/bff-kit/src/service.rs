//! Starts an app.

use std::sync::Arc;

use actix_web::web;
use kit::{
    Deps, config::Problems, listeners::Listeners, metrics::Metrics, readiness::Readiness,
    running::Running, seal::Keyring,
};
use store::SharedStore;
use web_kit::server::HttpServer;

use crate::{
    callback::CALLBACK,
    config::Config,
    csrf::Csrf,
    meters::Meters,
    pre_session::PreSessions,
    provider::{Provider, ProviderSettings},
    proxy::{MAX_BODY, UpstreamUrls, Upstreams},
    routes::{routes, trace_from},
    sessions::{SessionParts, SessionSettings, Sessions},
    state::Bff,
    used_logout_tokens::UsedLogoutTokens,
};

/// The master key in the state directory from which an app's keys are derived. A
/// former one beside it (`.previous`) still opens what it sealed.
const SEALING_KEY: &str = "bff-sealing.key";

/// Starts the app on `listeners`. It is ready once it has reached the store
/// and the provider.
pub async fn build(
    config: Config,
    listeners: Listeners,
    store: SharedStore,
    deps: Deps,
) -> Result<Running, Problems> {
    let mut problems = Problems::new();
    let urls = (&*config.api1_url, &*config.api2_grpc_url);
    let urls = UpstreamUrls::read(urls, &config.trust, &mut problems);
    let masters = config.state_dir.sealing_keys(SEALING_KEY, &*deps.random);
    let masters = masters
        .map_err(|error| problems.add("STATE_DIR", error))
        .ok();
    let (Some(urls), Some(masters)) = (urls, masters) else {
        return Err(problems);
    };
    let app = config.app;
    let origin = config.addresses.url(app.site);
    let csrf = Csrf::new(&origin, &masters[0], app.client_id);
    let csrf = web::Data::new(csrf.weakened(config.weaknesses));
    let readiness = Readiness::waiting_for(deps.shutdown.clone(), &["store", "idp"]);
    let metrics = Metrics::new(app.service)?;
    let (store, meters) = (store::measured(&store, &metrics), Meters::new(&metrics));
    let server = HttpServer {
        service: app.service,
        metrics,
        readiness: readiness.clone(),
        shutdown: deps.shutdown.clone(),
        workers: config.workers,
        trusted_proxies: config.trusted_proxies.clone(),
        trace: trace_from,
        sites: config.addresses.sites(),
        body_limit: MAX_BODY,
        admission: kit::admission::Admission::of_process(),
        metrics_at: listeners.metrics,
    };
    let provider = ProviderSettings {
        issuer: config.issuer.clone(),
        client_id: app.client_id.to_owned(),
        auth: config.auth.clone(),
        redirect_uri: format!("{origin}{CALLBACK}"),
    };
    let provider = Arc::new(Provider::new(provider, &deps, meters.clone()));
    let jwks = provider.jwks().clone();
    tokio::spawn(jwks.keep_fresh(deps.shutdown.clone()));
    let bff = assemble(config, provider.clone(), &store, deps, &masters, meters);
    let bff = web::Data::new(bff);
    let running = server.serve(listeners.http, move |cfg| {
        let upstreams = web::Data::new(Upstreams::new(&urls));
        routes(cfg, bff.clone(), csrf.clone(), upstreams);
    });
    let running = running.map_err(|error| Problems::one(app.service, error))?;
    tokio::spawn(get_ready(readiness, store, provider));
    Ok(running)
}

/// Waits until the store and the provider have been reached.
async fn get_ready(readiness: Readiness, store: SharedStore, provider: Arc<Provider>) {
    let reached = readiness.until_reached("store", || store.ping()).await;
    if reached.is_some() {
        readiness.until_reached("idp", || provider.known()).await;
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
    let parts = SessionParts {
        store,
        provider: &provider,
        jwks: provider.jwks(),
        deps: &deps,
        settings,
        meters: &meters,
    };
    let sessions = Sessions::new(&parts, keyring);
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
        pre_sessions,
        sessions: Arc::new(sessions),
        used_logout_tokens,
        meters,
    }
}
