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
    Deps, config::Problems, listeners::Listeners, metrics::Metrics, readiness::Readiness,
    running::Running, shutdown::Shutdown,
};
use store::SharedStore;
use token_verify::resource_server;

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

/// Starts the service, which is ready once it has reached the store and fetched the
/// issuer's keys.
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
    start(config, listeners, store, &deps, &metrics).map_err(|error| Problems::one(SERVICE, error))
}

fn start(
    config: Config,
    listeners: Listeners,
    store: SharedStore,
    deps: &Deps,
    metrics: &Metrics,
) -> std::io::Result<Running> {
    let (own, shutdown) = (config.server, deps.shutdown.clone());
    let readiness = resource_server::readiness(&shutdown);
    let issuer = web::Data::new(home::Issuer(own.issuer.name().to_owned()));
    let verifier = web::Data::new(own.verifier(&store, metrics, &deps.clock));
    let inventory = web::Data::new(Inventory::new(Arc::clone(&store), deps));

    let mut running = Running::new();
    if !listeners.grpc.is_empty() {
        let routes = grpc::routes(
            verifier.clone().into_inner(),
            inventory.clone().into_inner(),
        );
        let server = grpc_server(metrics, &readiness, &shutdown);
        running.extend(server.serve(listeners.grpc, routes)?);
    }
    let server = own.http_server(listeners.metrics, metrics, &readiness, &shutdown);
    let checks = verifier.clone();
    running.extend(server.serve(listeners.http, move |cfg| {
        cfg.app_data(checks.clone())
            .app_data(inventory.clone())
            .app_data(issuer.clone())
            .configure(http::routes)
            .configure(home::routes);
    })?);
    running.push(tokio::spawn(async move {
        resource_server::reach(readiness, store, verifier.into_inner(), shutdown).await;
        Ok(())
    }));
    Ok(running)
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
