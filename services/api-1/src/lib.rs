//! API-1, orders: a resource server over HTTP. Placing an order reserves stock at
//! API-2, with an exchanged token of the user ([`exchange`]). `token-verify`
//! verifies the access tokens. In their place it may take API keys ([`api_keys`]), and
//! users whom a trusted peer states ([`identity`]).

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

use access::CallerChecks;
use actix_web::{middleware::from_fn, web};
use api_keys::{ApiKeys, File};
pub use config::{Args, Config, DEMO_SECRET, OwnArgs, PeerArgs};
use docs::Docs;
use exchange::Exchange;
pub use identity::Callers;
use identity::StatedIdentities;
use inventory::Inventory;
use kit::{
    Deps,
    clock::Clock,
    config::Problems,
    listeners::{Listeners, Sockets},
    metrics::Metrics,
    running::Running,
    telemetry::names::metric,
};
use orders::Orders;
use store::SharedStore;
use token_verify::{Verifier, resource_server};
use web_kit::server::HttpServer;

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

/// The state of the routes.
struct Context {
    orders: Orders,
    exchange: Exchange,
    inventory: Inventory,
}

impl Context {
    fn new(
        config: &Config,
        store: &SharedStore,
        metrics: &Metrics,
        deps: &Deps,
    ) -> Result<Self, Problems> {
        Ok(Self {
            orders: Orders::new(Arc::clone(store), deps),
            exchange: Exchange::new(config, metrics)
                .map_err(|e| Problems::one("IDP_GRPC_URL", e))?,
            inventory: Inventory::new(config).map_err(|e| Problems::one("API2_GRPC_URL", e))?,
        })
    }
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
    let deps = deps.of_service(SERVICE);
    let metrics = Metrics::new(SERVICE)?;
    let store = store::measured(&store, &metrics);
    let context = Context::new(&config, &store, &metrics, &deps)?;
    let checks = caller_checks(&config, &metrics, &deps.clock)?;
    let keys = checks.keys.clone();
    let (own, shutdown) = (&config.server, deps.shutdown.clone());
    let verifier = web::Data::new(own.verifier(&store, &metrics, &deps.clock));
    let shared = RouteData {
        verifier: verifier.clone(),
        context: web::Data::new(context),
        checks: web::Data::new(checks),
    };
    let readiness = resource_server::readiness(&shutdown);
    let server = own.http_server(listeners.metrics, &metrics, &readiness, &shutdown);
    let mut running = Running::new();
    if !listeners.mtls.is_empty() {
        running.extend(serve_mtls(&server, listeners.mtls, shared.clone())?);
    }
    running.extend(serve_http(server, listeners.http, shared, &config)?);
    if let Some(keys) = keys {
        let shutdown = shutdown.clone();
        running.push(tokio::spawn(async move {
            keys.keep_fresh(shutdown).await;
            Ok(())
        }));
    }
    running.push(tokio::spawn(async move {
        resource_server::reach(readiness, store, verifier.into_inner(), shutdown).await;
        Ok(())
    }));
    Ok(running)
}

/// The checks of API keys and of users whom a peer states.
fn caller_checks(
    config: &Config,
    metrics: &Metrics,
    clock: &Arc<dyn Clock>,
) -> Result<CallerChecks, Problems> {
    // Made in any case, so that an API without keys reports zero.
    let key_checks = metrics.counter(&metric::API_KEY_CHECKS);
    let keys = match config.api_keys_file.clone() {
        None => None,
        Some(path) => {
            let keys = ApiKeys::open(File::at(path), Arc::clone(clock), key_checks);
            let keys = keys.map_err(|error| Problems::one("API1_KEYS_FILE", error))?;
            Some(Arc::new(keys))
        }
    };
    let identity_checks = metrics.counter(&metric::IDENTITY_CHECKS);
    let callers = config.identity_callers.clone();
    let identity = StatedIdentities::new(callers, Arc::clone(clock), identity_checks);
    Ok(CallerChecks {
        keys,
        identity: Arc::new(identity),
    })
}

/// Serves the API on the mTLS port.
fn serve_mtls(
    server: &HttpServer,
    sockets: Sockets,
    shared: RouteData,
) -> Result<Running, Problems> {
    let running = server.serve_beside(sockets, MTLS_WORKERS, move |cfg| {
        shared.configure(cfg, |cfg| http::routes(cfg, &[]));
    });
    running.map_err(|e| Problems::one("mTLS", e))
}

/// Serves the API and its documentation on the HTTP port.
fn serve_http(
    server: HttpServer,
    sockets: Sockets,
    shared: RouteData,
    config: &Config,
) -> Result<Running, Problems> {
    let docs = web::Data::new(Docs::new(config.server.issuer.name()));
    let origins: Arc<[String]> = config.cors_origins.as_slice().into();
    let running = server.serve(sockets, move |cfg| {
        cfg.app_data(docs.clone());
        shared.configure(cfg, |cfg| {
            http::routes(cfg, &origins);
            docs::routes(cfg);
        });
    });
    running.map_err(|e| Problems::one(SERVICE, e))
}

/// What the routes of both ports share.
#[derive(Clone)]
struct RouteData {
    verifier: web::Data<Verifier>,
    context: web::Data<Context>,
    checks: web::Data<CallerChecks>,
}

impl RouteData {
    /// Adds `routes`, each behind the middleware that removes identity headers and cookies.
    fn configure(
        &self,
        cfg: &mut web::ServiceConfig,
        routes: impl FnOnce(&mut web::ServiceConfig),
    ) {
        let identity = Arc::clone(&self.checks.identity);
        let guard = from_fn(move |req, next| Arc::clone(&identity).guard(req, next));
        cfg.app_data(self.verifier.clone())
            .app_data(self.context.clone())
            .app_data(self.checks.clone())
            .service(web::scope("").wrap(guard).configure(routes));
    }
}
