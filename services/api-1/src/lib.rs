//! Orders, a resource server over HTTP. Placing an order reserves stock at
//! API-2, with a token that the user's was exchanged for ([`exchange`]). How
//! access tokens are checked is in `token-verify`.

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
    Ground, config::Problems, metrics::Metrics, net::Listeners, readiness::Readiness,
    running::Running,
};
use orders::Orders;
use store::SharedStore;
use token_verify::{Jwks, Verifier, jwks::Timing};
use web_kit::{frame::Frame, trace};

/// The service's name in traces, metrics and on the command line, and its
/// client_id at the identity provider.
pub const SERVICE: &str = "api-1";
/// The audience of the access tokens that it takes.
pub const AUDIENCE: &str = "https://api-1";

/// The most bytes of a request's body.
const BODY_LIMIT: usize = 16 * 1024;

/// What the routes stand on.
struct Context {
    orders: Orders,
    exchange: Exchange,
    inventory: Inventory,
}

/// Starts the service; it is ready once the store and the issuer's keys were
/// reached. Call it inside the runtime that is to carry the gRPC connections.
#[allow(
    clippy::unused_async,
    reason = "every service is started by the same call"
)]
pub async fn build(
    config: Config,
    listeners: Listeners,
    store: SharedStore,
    ground: Ground,
) -> Result<Running, Problems> {
    let metrics = Metrics::new(SERVICE)?;
    let store = store::measured(&store, &metrics);
    let context = Context {
        orders: Orders::new(Arc::clone(&store), &ground),
        exchange: Exchange::new(&config, &metrics).map_err(|e| Problems::one("IDP_GRPC_URL", e))?,
        inventory: Inventory::new(&config).map_err(|e| Problems::one("API2_GRPC_URL", e))?,
    };
    let docs = web::Data::new(Docs::new(config.issuer.name()));
    let origins: Arc<[String]> = config.cors_origins.into();
    let readiness = Readiness::waiting_for(ground.shutdown.clone(), &["store", "idp"]);
    let jwks = Jwks::new(config.issuer, Timing::default(), Arc::clone(&ground.clock));
    let verifier = Verifier::new(AUDIENCE, Arc::clone(&jwks), Arc::clone(&ground.clock));
    let verifier = verifier.counted(&metrics);
    let (verifier, context) = (web::Data::new(verifier), web::Data::new(context));
    let frame = Frame {
        service: SERVICE,
        metrics,
        readiness: readiness.clone(),
        shutdown: ground.shutdown.clone(),
        workers: config.workers,
        trusted_proxies: config.trusted_proxies,
        trace: |_, _| trace::From::Caller,
        sites: config.sites,
        body_limit: BODY_LIMIT,
        admission: kit::admission::Admission::of_process(),
        metrics_at: listeners.metrics,
    };
    let served = frame.serve(listeners.http, move |cfg| {
        cfg.app_data(verifier.clone())
            .app_data(context.clone())
            .app_data(docs.clone())
            .configure(|cfg| http::routes(cfg, &origins))
            .configure(docs::routes);
    });
    let mut running = served.map_err(|e| Problems::one(SERVICE, e))?;
    running.push(tokio::spawn(async move {
        readiness.until_reached("store", || store.ping()).await;
        readiness.until_reached("idp", || jwks.refresh()).await;
        jwks.keep_fresh(ground.shutdown).await;
        Ok(())
    }));
    Ok(running)
}
