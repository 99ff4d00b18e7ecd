//! API-2, inventory: a resource server over gRPC and HTTP, both on top of
//! [`inventory`]. `token-verify` verifies the access tokens.

mod config;
mod grpc;
mod home;
mod http;
pub mod inventory;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use actix_web::web;
pub use config::{Args, Config, DEMO_SECRET, OwnArgs};
use inventory::Inventory;
use kit::{
    Deps,
    clock::Clock,
    config::Problems,
    listeners::{Listeners, Sockets},
    metrics::Metrics,
    readiness::Readiness,
    running::Running,
    shutdown::Shutdown,
};
use store::SharedStore;
use token_verify::{
    ProofSettings, Verifier,
    dpop::{ProofQuota, UsedProofs},
};
use web_kit::{server::HttpServer, trace};

/// The service's name in traces, metrics and on the command line, and its client_id at
/// the identity provider.
pub const SERVICE: &str = "api-2";
/// The audience of its access tokens.
pub const AUDIENCE: &str = "https://api-2";

/// The scopes that HTTP and gRPC require.
mod scope {
    pub(crate) const READ: &str = "https://api-2/read";
    pub(crate) const WRITE: &str = "https://api-2/write";
}

/// The prefix of used DPoP proofs in the store.
const USED_PROOFS: &str = "api-2:dpop:";
/// The maximum size of a request's body in bytes.
const BODY_LIMIT: usize = 16 * 1024;

/// Starts the service, which is ready once it has reached the store and fetched the
/// issuer's keys.
#[allow(clippy::unused_async, reason = "all services have the same signature")]
pub async fn build(
    config: Config,
    listeners: Listeners,
    store: SharedStore,
    deps: Deps,
) -> Result<Running, Problems> {
    let metrics = Metrics::new(SERVICE)?;
    let store = store::measured(&store, &metrics);
    start(config, listeners, store, deps, &metrics).map_err(|error| Problems::one(SERVICE, error))
}

fn start(
    config: Config,
    listeners: Listeners,
    store: SharedStore,
    deps: Deps,
    metrics: &Metrics,
) -> std::io::Result<Running> {
    let readiness = Readiness::waiting_for(deps.shutdown.clone(), &["store", "idp"]);
    let issuer = web::Data::new(home::Issuer(config.issuer.name().to_owned()));
    let verifier = web::Data::new(verifier(&config, &store, metrics, &deps.clock));
    let inventory = web::Data::new(Inventory::new(Arc::clone(&store), &deps));

    let mut running = Running::new();
    if !listeners.grpc.is_empty() {
        let routes = grpc::routes(
            verifier.clone().into_inner(),
            inventory.clone().into_inner(),
        );
        let server = grpc_server(metrics, &readiness, &deps.shutdown);
        running.extend(server.serve(listeners.grpc, routes)?);
    }
    let server = http_server(
        config,
        listeners.metrics,
        metrics,
        &readiness,
        &deps.shutdown,
    );
    let checks = verifier.clone();
    running.extend(server.serve(listeners.http, move |cfg| {
        cfg.app_data(checks.clone())
            .app_data(inventory.clone())
            .app_data(issuer.clone())
            .configure(http::routes)
            .configure(home::routes);
    })?);
    running.push(tokio::spawn(async move {
        readiness.until_reached("store", || store.ping()).await;
        readiness.until_reached("idp", || verifier.reach()).await;
        verifier.keep_fresh(deps.shutdown).await;
        Ok(())
    }));
    Ok(running)
}

/// Verifies the access tokens, and the DPoP proofs beside them.
fn verifier(
    config: &Config,
    store: &SharedStore,
    metrics: &Metrics,
    clock: &Arc<dyn Clock>,
) -> Verifier {
    Verifier::of_service(
        AUDIENCE,
        &config.issuer,
        config.introspection.as_ref(),
        clock,
        metrics,
    )
    .accepting_proofs(ProofSettings {
        http_url: config.url.clone(),
        mtls_url: None,
        grpc_url: config.grpc_url.clone(),
        used: UsedProofs::new(Arc::clone(store), USED_PROOFS),
        quota: ProofQuota::default(),
        nonces: config.nonces.clone(),
    })
}

/// The server of the gRPC port.
fn grpc_server(
    metrics: &Metrics,
    readiness: &Readiness,
    shutdown: &Shutdown,
) -> grpc_kit::GrpcServer {
    grpc_kit::GrpcServer {
        service: SERVICE,
        metrics: metrics.clone(),
        names: &[grpc::NAME],
        admission: kit::admission::Admission::of_process(),
        descriptors: sso_proto::DESCRIPTORS,
        readiness: readiness.clone(),
        shutdown: shutdown.clone(),
    }
}

/// The server of the HTTP port.
fn http_server(
    config: Config,
    metrics_at: Sockets,
    metrics: &Metrics,
    readiness: &Readiness,
    shutdown: &Shutdown,
) -> HttpServer {
    HttpServer {
        service: SERVICE,
        metrics: metrics.clone(),
        readiness: readiness.clone(),
        shutdown: shutdown.clone(),
        workers: config.workers,
        trusted_proxies: config.trusted_proxies,
        trace: |_, _| trace::Origin::Caller,
        sites: config.sites,
        body_limit: BODY_LIMIT,
        admission: kit::admission::Admission::of_process(),
        metrics_at,
    }
}
