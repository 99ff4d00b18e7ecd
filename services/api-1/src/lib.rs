//! API-1, orders: a resource server over HTTP. Placing an order reserves stock at
//! API-2, with an exchanged token of the user ([`exchange`]). `token-verify`
//! verifies the access tokens.

mod config;
mod docs;
mod exchange;
mod http;
mod inventory;
mod orders;
mod problem;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use actix_web::web;
pub use config::{Args, Config, DEMO_SECRET, OwnArgs, PeerArgs};
use docs::Docs;
use exchange::Exchange;
use inventory::Inventory;
use kit::{
    Deps, config::Problems, listeners::Listeners, metrics::Metrics, readiness::Readiness,
    running::Running,
};
use orders::Orders;
use store::SharedStore;
use token_verify::Verifier;
use web_kit::{server::HttpServer, trace};

/// The service's name in traces, metrics and on the command line, and its
/// client_id at the identity provider.
pub const SERVICE: &str = "api-1";
/// The audience of its access tokens.
pub const AUDIENCE: &str = "https://api-1";

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
    let docs = web::Data::new(Docs::new(config.issuer.name()));
    let origins: Arc<[String]> = config.cors_origins.into();
    let readiness = Readiness::waiting_for(deps.shutdown.clone(), &["store", "idp"]);
    let jwks = config.issuer.jwks(Arc::clone(&deps.clock));
    let verifier = Verifier::new(AUDIENCE, Arc::clone(&jwks), Arc::clone(&deps.clock));
    let verifier = verifier.counted(&metrics);
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
    let running = server.serve(listeners.http, move |cfg| {
        cfg.app_data(verifier.clone())
            .app_data(context.clone())
            .app_data(docs.clone())
            .configure(|cfg| http::routes(cfg, &origins))
            .configure(docs::routes);
    });
    let mut running = running.map_err(|e| Problems::one(SERVICE, e))?;
    running.push(tokio::spawn(async move {
        readiness.until_reached("store", || store.ping()).await;
        readiness.until_reached("idp", || jwks.refresh()).await;
        jwks.keep_fresh(deps.shutdown).await;
        Ok(())
    }));
    Ok(running)
}
