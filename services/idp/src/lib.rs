//! The OpenID Provider.

mod account;
mod again;
mod audit;
mod authorize;
mod backchannel;
mod bodies;
mod budgets;
mod changed_users;
mod client_auth;
mod config;
mod cookies;
mod credentials;
mod derived_key;
mod discovery;
mod domain;
mod error;
mod form_secrets;
mod forms;
mod grant_management;
mod grants;
mod grpc;
mod issue;
mod keys;
mod known_browsers;
mod logout;
mod meters;
mod operator;
mod pages;
mod par;
mod params;
mod passwords;
mod policy;
mod presented;
mod probe;
mod records;
mod refresh_tokens;
mod revoke;
mod routes;
mod sessions;
pub mod settings;
mod state;
mod throttle;
mod token;
mod tokens_of_ours;
mod trouble;
mod userinfo;
mod worker;

use std::{sync::Arc, time::Duration};

use backchannel::Outbox;
use budgets::Budgets;
use client_auth::{AssertionKeys, Failures, name_missing_keys};
pub use config::{Args, Config, OPERATOR_KEY_FILE};
use form_secrets::FormSecrets;
pub use keys::{Algorithm, new_signing_key};
use kit::{
    Deps, clock::Timestamp, config::Problems, metrics::Metrics, net::Listeners,
    readiness::Readiness, running::Running, state_dir::StateDir,
};
use known_browsers::KnownBrowsers;
use meters::Meters;
use passwords::Passwords;
pub use passwords::hash as hash_password;
pub use records::upgraded;
use records::{Authenticity, Records};
use refresh_tokens::RefreshTokens;
use sso_proto::idp::{
    sessions_server::{self, SessionsServer},
    token_exchange_server::{self, TokenExchangeServer},
};
use state::Idp;
use store::SharedStore;
use throttle::{Delays, Table};
use tonic::service::RoutesBuilder;
use web_kit::server::HttpServer;

/// Its name in traces and metrics.
pub const SERVICE: &str = "idp";

/// What it serves by gRPC to everybody, and with an operator's key.
const GRPC: [&str; 1] = [token_exchange_server::SERVICE_NAME];
const GRPC_OPERATED: [&str; 2] = [
    token_exchange_server::SERVICE_NAME,
    sessions_server::SERVICE_NAME,
];

/// The most bytes of a request's body.
const BODY_LIMIT: usize = 64 * 1024;

/// Starts it on `listeners`.
pub async fn build(
    config: Config,
    listeners: Listeners,
    store: SharedStore,
    deps: Deps,
) -> Result<Running, Problems> {
    let readiness = Readiness::waiting_for(deps.shutdown.clone(), &["store"]);
    let metrics = Metrics::new(SERVICE)?;
    let server = HttpServer {
        service: SERVICE,
        metrics: metrics.clone(),
        readiness: readiness.clone(),
        shutdown: deps.shutdown.clone(),
        workers: config.workers,
        trusted_proxies: config.trusted_proxies.clone(),
        trace: routes::trace,
        sites: config.addresses.sites(),
        body_limit: BODY_LIMIT,
        admission: kit::admission::Admission::of_process(),
        metrics_at: listeners.metrics,
    };
    let addresses = config.addresses.clone();
    let operator_key = config.operator_key.clone();
    let store = store::measured(&store, &metrics);
    let idp = provider(config, store.clone(), &deps, &metrics).await?;
    let wait = readiness.clone();
    let (working, shutdown) = (Arc::clone(&idp), deps.shutdown.clone());
    let work = tokio::spawn(async move {
        if wait.until_reached("store", || store.ping()).await.is_some() {
            worker::run(working, shutdown).await;
        }
        Ok(())
    });
    let routes = routes::configure(Arc::clone(&idp), &addresses);
    let mut running = server
        .serve(listeners.http, routes)
        .map_err(|e| Problems::one("HTTP", e))?;
    running.push(work);
    if !listeners.grpc.is_empty() {
        let grpc = grpc_kit::GrpcServer {
            service: SERVICE,
            metrics: metrics.clone(),
            names: if operator_key.is_some() {
                &GRPC_OPERATED
            } else {
                &GRPC
            },
            admission: kit::admission::Admission::of_process(),
            descriptors: sso_proto::DESCRIPTORS,
            readiness,
            shutdown: deps.shutdown,
        };
        let mut services = RoutesBuilder::default();
        services.add_service(
            TokenExchangeServer::new(grpc::Service(Arc::clone(&idp)))
                .max_decoding_message_size(grpc_kit::MAX_MESSAGE),
        );
        if let Some(key) = operator_key {
            services.add_service(
                SessionsServer::new(operator::Service::new(idp, key))
                    .max_decoding_message_size(grpc_kit::MAX_MESSAGE),
            );
        }
        running.extend(
            grpc.serve(listeners.grpc, services)
                .map_err(|e| Problems::one("gRPC", e))?,
        );
    }
    Ok(running)
}

async fn provider(
    config: Config,
    store: SharedStore,
    deps: &Deps,
    metrics: &Metrics,
) -> Result<Arc<Idp>, Problems> {
    let state_dir = config.state_dir.clone();
    let algorithm = config.signing_alg;
    let longest = config.settings.lifetimes.longest_record();
    let random = Arc::clone(&deps.random);
    let now = deps.clock.now();
    let load = move || load_keys(&state_dir, algorithm, longest, now, &*random);
    let loaded = tokio::task::spawn_blocking(load).await;
    let loaded = loaded
        .map_err(|error| Problems::one("keys", error))?
        .map_err(|error| Problems::one("STATE_DIR", error))?;
    let meters = Meters::new(metrics);
    let keys = loaded.signing;
    meters::show_ages(metrics, keys.clone(), Arc::clone(&deps.clock));
    let login_budget = config.login_budget;
    let login_budget = (login_budget.in_all, login_budget.per_address);
    let budgets = Budgets::new(&store, &deps.clock, login_budget);
    let records = Records::new(store, Arc::clone(&deps.clock), loaded.records);
    let outbox = Outbox::new(
        (records.clone(), keys.clone(), config.issuer.clone()),
        (Arc::clone(&deps.clock), Arc::clone(&deps.random)),
        &config.settings,
        (config.connect, &config.trust),
        meters.clone(),
    );
    let passwords = Passwords::new(config.settings.users(), config.demo_credentials);
    name_missing_keys(&config.settings);
    Ok(Arc::new(Idp {
        userinfo: format!("{}/userinfo", config.issuer),
        issuer: config.issuer,
        settings: config.settings,
        records,
        budgets,
        quotas: config.quotas,
        outbox,
        meters,
        keys,
        refresh_tokens: RefreshTokens::new(&loaded.refresh),
        form_secrets: FormSecrets::new(&loaded.refresh),
        passwords,
        throttle: Table::new(&loaded.refresh),
        delays: Delays::default(),
        known_browsers: KnownBrowsers::new(&loaded.refresh),
        assertion_keys: AssertionKeys::default(),
        failures: Failures::default(),
        weaknesses: config.weaknesses,
        clock: Arc::clone(&deps.clock),
        random: Arc::clone(&deps.random),
    }))
}

/// What is kept in the state directory.
struct KeyMaterial {
    signing: keys::Keys,
    refresh: [u8; kit::seal::KEY_LEN],
    records: Authenticity,
}

fn load_keys(
    state_dir: &StateDir,
    algorithm: keys::Algorithm,
    longest: Duration,
    now: Timestamp,
    random: &dyn kit::random::Random,
) -> std::io::Result<KeyMaterial> {
    Ok(KeyMaterial {
        records: records::load_keys(state_dir, longest, now, random)?,
        signing: keys::Keys::load(state_dir, algorithm, now)?,
        refresh: state_dir.sealing_key(records::OLDER, random)?,
    })
}
