//! API-1, orders: a resource server over HTTP. Placing an order reserves stock at
//! API-2, with an exchanged token of the user ([`exchange`]). `token-verify`
//! verifies the access tokens; a legacy door takes API keys instead ([`api_keys`]), and
//! another one users by the word of a peer ([`identity`]).

mod access;
pub mod api_keys;
mod config;
mod docs;
mod exchange;
mod http;
mod identity;
mod inventory;
mod orders;
mod problem;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use access::Doors;
use actix_web::{middleware::from_fn, web};
use api_keys::{ApiKeys, File};
pub use config::{Args, Config, DEMO_SECRET, OwnArgs, PeerArgs};
use docs::Docs;
use exchange::Exchange;
pub use identity::Callers;
use identity::IdentityDoor;
use inventory::Inventory;
use kit::{
    Deps, config::Problems, listeners::Listeners, metrics::Metrics, readiness::Readiness,
    running::Running, telemetry::names::metric,
};
use orders::Orders;
use store::SharedStore;
use token_verify::{
    ProofSettings, Verifier,
    dpop::{ProofQuota, UsedProofs},
};
use web_kit::{server::HttpServer, trace};

/// The service's name in traces, metrics and on the command line, and its
/// client_id at the identity provider.
pub const SERVICE: &str = "api-1";
/// The audience of its access tokens.
pub const AUDIENCE: &str = "https://api-1";
/// The scope that lists orders.
pub(crate) const READ: &str = "https://api-1/read";
/// The scope that places orders.
pub(crate) const WRITE: &str = "https://api-1/write";

/// The file of API keys in a state directory, where no other is named.
pub const KEYS_FILE: &str = "api-1-keys.json";
/// Worker threads of the mTLS port, which a part of the machines alone calls.
const MTLS_WORKERS: usize = 1;
/// The prefix of used DPoP proofs in the store.
const USED_PROOFS: &str = "api-1:dpop:";
/// The maximum size of a request's body in bytes.
const BODY_LIMIT: usize = 16 * 1024;

/// The state of the routes.
struct Context {
    orders: Orders,
    exchange: Exchange,
    inventory: Inventory,
}

/// Starts the service, which is ready once it has reached the store and fetched the
/// issuer's keys. Call it inside the runtime that will run the gRPC connections.
#[allow(clippy::unused_async, reason = "all services have the same signature")]
pub async fn build(
    config: Config,
    listeners: Listeners,
    store: SharedStore,
    deps: Deps,
) -> Result<Running, Problems> {
    let metrics = Metrics::new(SERVICE)?;
    let store = store::measured(&store, &metrics);
    let context = Context {
        orders: Orders::new(Arc::clone(&store), &deps),
        exchange: Exchange::new(&config, &metrics).map_err(|e| Problems::one("IDP_GRPC_URL", e))?,
        inventory: Inventory::new(&config).map_err(|e| Problems::one("API2_GRPC_URL", e))?,
    };
    // Made in any case, so that an API without keys reports zero.
    let key_checks = metrics.counter(&metric::API_KEY_CHECKS);
    let keys = match config.api_keys_file.clone() {
        None => None,
        Some(path) => {
            let keys = ApiKeys::open(File::at(path), Arc::clone(&deps.clock), key_checks);
            let keys = keys.map_err(|error| Problems::one("API1_KEYS_FILE", error))?;
            Some(Arc::new(keys))
        }
    };
    let checks = metrics.counter(&metric::IDENTITY_CHECKS);
    let identity = IdentityDoor::new(config.identity_callers, Arc::clone(&deps.clock), checks);
    let doors = web::Data::new(Doors {
        keys: keys.clone(),
        identity: Arc::new(identity),
    });
    let docs = web::Data::new(Docs::new(config.issuer.name()));
    let origins: Arc<[String]> = config.cors_origins.into();
    let readiness = Readiness::waiting_for(deps.shutdown.clone(), &["store", "idp"]);
    let verifier = Verifier::of_service(
        AUDIENCE,
        &config.issuer,
        config.introspection.as_ref(),
        &deps.clock,
        &metrics,
    )
    .accepting_proofs(ProofSettings {
        http_url: config.url,
        grpc_url: None,
        used: UsedProofs::new(Arc::clone(&store), USED_PROOFS),
        quota: ProofQuota::default(),
        nonces: config.nonces,
    });
    let (verifier, context) = (web::Data::new(verifier), web::Data::new(context));
    let server = HttpServer {
        service: SERVICE,
        metrics,
        readiness: readiness.clone(),
        shutdown: deps.shutdown.clone(),
        workers: config.workers,
        trusted_proxies: config.trusted_proxies,
        trace: |_, _| trace::Origin::Caller,
        sites: config.sites,
        body_limit: BODY_LIMIT,
        admission: kit::admission::Admission::of_process(),
        metrics_at: listeners.metrics,
    };
    let mut running = Running::new();
    if !listeners.mtls.is_empty() {
        let (checks, context, doors) = (verifier.clone(), context.clone(), doors.clone());
        let mtls = server.serve_beside(listeners.mtls, MTLS_WORKERS, move |cfg| {
            cfg.app_data(checks.clone())
                .app_data(context.clone())
                .app_data(doors.clone())
                .configure(|cfg| guarded(cfg, &doors, |cfg| http::routes(cfg, &[])));
        });
        running.extend(mtls.map_err(|e| Problems::one("mTLS", e))?);
    }
    let checks = verifier.clone();
    let http = server.serve(listeners.http, move |cfg| {
        cfg.app_data(checks.clone())
            .app_data(context.clone())
            .app_data(doors.clone())
            .app_data(docs.clone())
            .configure(|cfg| {
                guarded(cfg, &doors, |cfg| {
                    http::routes(cfg, &origins);
                    docs::routes(cfg);
                });
            });
    });
    running.extend(http.map_err(|e| Problems::one(SERVICE, e))?);
    if let Some(keys) = keys {
        let shutdown = deps.shutdown.clone();
        running.push(tokio::spawn(async move {
            keys.keep_fresh(shutdown).await;
            Ok(())
        }));
    }
    running.push(tokio::spawn(async move {
        readiness.until_reached("store", || store.ping()).await;
        readiness.until_reached("idp", || verifier.reach()).await;
        verifier.keep_fresh(deps.shutdown).await;
        Ok(())
    }));
    Ok(running)
}

/// `routes`, each behind the middleware that removes identity headers and cookies.
fn guarded(
    cfg: &mut web::ServiceConfig,
    doors: &Doors,
    routes: impl FnOnce(&mut web::ServiceConfig),
) {
    let door = Arc::clone(&doors.identity);
    let guard = from_fn(move |req, next| Arc::clone(&door).guard(req, next));
    cfg.service(web::scope("").wrap(guard).configure(routes));
}
