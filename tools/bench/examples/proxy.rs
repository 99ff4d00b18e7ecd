//! Our proxy path without a session as a process of its own: on `PORT`, to the
//! API at `API1_URL`.
#![expect(
    clippy::expect_used,
    reason = "a program for the benchmark, which ends where it cannot go on"
)]

use std::{env, net::TcpListener};

use bff_kit::ProxyAlone;
use kit::{
    config::Problems,
    listeners::Sockets,
    metrics::Metrics,
    net::Trust,
    readiness::Readiness,
    shutdown::{Drain, Shutdown},
    telemetry::{LogFormat, TelemetrySettings},
};
use mimalloc::MiMalloc;
use web_kit::{client::TrustedProxies, server::HttpServer, trace::Origin};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const SERVICE: &str = "proxy";

#[tokio::main]
async fn main() {
    let settings = TelemetrySettings::read(&mut Problems::new()).expect("OTEL_*");
    let telemetry = settings
        .start(&[SERVICE], LogFormat::Text, &Trust::default(), None)
        .expect("a collector");
    let port = env::var("PORT").ok().and_then(|port| port.parse().ok());
    let api = env::var("API1_URL").expect("API1_URL");
    let listener = TcpListener::bind(("127.0.0.1", port.expect("PORT"))).expect("a free port");
    let shutdown = Shutdown::on_signals(Drain::default());
    let server = HttpServer {
        service: SERVICE,
        metrics: Metrics::new(SERVICE).expect("metrics"),
        readiness: Readiness::waiting_for(shutdown.clone(), &[]),
        shutdown: shutdown.clone(),
        workers: 1,
        trusted_proxies: TrustedProxies::default(),
        sites: kit::config::Sites::default(),
        trace: |_, _| Origin::New,
        body_limit: 1 << 20,
        admission: kit::admission::Admission::of_process(),
        metrics_at: Sockets::default(),
    };
    let proxy = ProxyAlone::to(&api).expect("API1_URL");
    let running = server.serve(vec![listener], move |cfg| proxy.routes(cfg));
    let running = running.expect("it listens");
    running.supervise(&shutdown).await.expect("it ends well");
    telemetry.flush().await;
}
