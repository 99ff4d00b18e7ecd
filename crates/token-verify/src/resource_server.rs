//! What all resource servers of the deployment have in common: their settings, the verifier
//! of their access tokens, their HTTP server, and what they wait for before they are ready.

use std::sync::Arc;

use actix_web::http::Method;
use kit::{
    admission::Admission,
    clock::Clock,
    config::{Sites, Weaknesses},
    listeners::Sockets,
    metrics::Metrics,
    readiness::Readiness,
    shutdown::Shutdown,
};
use store::SharedStore;
use web_kit::{client::TrustedProxies, journey::asking::PAGES, server::HttpServer, trace};

use crate::{
    dpop::{Nonces, ProofQuota, UsedProofs},
    introspection::settings::IntrospectionSettings,
    issuer::Issuer,
    verifier::{ProofSettings, Verifier},
};

/// The maximum size of a request's body in bytes.
const BODY_LIMIT: usize = 16 * 1024;
/// What a resource server is ready with.
const NEEDS: [&str; 2] = ["store", "idp"];

/// A resource server's settings.
#[derive(Clone, Debug)]
pub struct ResourceServer {
    /// Its name in traces and metrics, and the begin of its keys in the store.
    pub service: &'static str,
    /// The audience of its access tokens.
    pub audience: &'static str,
    /// The issuer of the tokens.
    pub issuer: Issuer,
    /// How tokens are introspected; none: JWTs are verified here.
    pub introspection: Option<IntrospectionSettings>,
    /// The public URL of HTTP, which DPoP proofs name.
    pub url: String,
    /// The same of the mTLS port, if it has one.
    pub mtls_url: Option<String>,
    /// The same for gRPC, if it has some.
    pub grpc_url: Option<String>,
    /// The nonces that it requires in DPoP proofs; none: it requires none.
    pub nonces: Option<Nonces>,
    /// The most used DPoP proofs of one caller that have not expired.
    pub proofs_per_caller: usize,
    /// Worker threads.
    pub workers: usize,
    /// The sites of the deployment.
    pub sites: Sites,
    /// Proxies whose forwarding header is accepted.
    pub trusted_proxies: TrustedProxies,
    /// Defences that a lab has switched off.
    pub weaknesses: Weaknesses,
}

impl ResourceServer {
    /// Verifies the access tokens, and the DPoP proofs beside them.
    pub fn verifier(
        &self,
        store: &SharedStore,
        metrics: &Metrics,
        clock: &Arc<dyn Clock>,
    ) -> Verifier {
        let introspection = self.introspection.as_ref();
        let used = format!("{}:dpop:", self.service);
        Verifier::of_service(self.audience, &self.issuer, introspection, clock, metrics)
            .accepting_proofs(ProofSettings {
                http_url: self.url.clone(),
                mtls_url: self.mtls_url.clone(),
                grpc_url: self.grpc_url.clone(),
                used: UsedProofs::new(Arc::clone(store), &used),
                quota: ProofQuota::of(self.proofs_per_caller),
                nonces: self.nonces.clone(),
            })
            .weakened(self.weaknesses)
    }

    /// The server of the HTTP port, and of an mTLS port beside it.
    pub fn http_server(
        &self,
        metrics_at: Sockets,
        metrics: &Metrics,
        readiness: &Readiness,
        shutdown: &Shutdown,
    ) -> HttpServer {
        HttpServer {
            service: self.service,
            metrics: metrics.clone(),
            readiness: readiness.clone(),
            shutdown: shutdown.clone(),
            workers: self.workers,
            trusted_proxies: self.trusted_proxies.clone(),
            trace: trace_from,
            sites: self.sites,
            body_limit: BODY_LIMIT,
            admission: Admission::of_process(),
            metrics_at,
        }
    }
}

/// The state of a resource server that has reached nothing yet: [`reach`] makes it ready.
pub fn readiness(shutdown: &Shutdown) -> Readiness {
    Readiness::waiting_for(shutdown.clone(), &NEEDS)
}

/// Reaches the store and the issuer, and then keeps the issuer's keys up to date until the
/// drain. For a task of its own.
pub async fn reach(
    readiness: Readiness,
    store: SharedStore,
    verifier: Arc<Verifier>,
    shutdown: Shutdown,
) {
    let [by_store, by_issuer] = NEEDS;
    readiness.until_reached(by_store, || store.ping()).await;
    readiness
        .until_reached(by_issuer, || verifier.reach())
        .await;
    verifier.keep_fresh(shutdown).await;
}

/// Where the trace of a request begins: that of a call at its caller; that of a page here, so
/// that the page is part of its browser's journey.
fn trace_from(_: &Method, path: &str) -> trace::Origin {
    if PAGES.contains(&path) {
        trace::Origin::New
    } else {
        trace::Origin::Caller
    }
}
