//! Serving: what each gRPC server has besides its own methods.

use std::{io, net::TcpListener, time::Duration};

use kit::{
    metrics::Metrics,
    readiness::Readiness,
    running::Running,
    shutdown::{DRAIN, Shutdown},
};
use tonic::{
    service::RoutesBuilder,
    transport::{Server, server::TcpIncoming},
};
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::trace::TraceLayer;

/// The most bytes of one message. Give it to each generated server by
/// `max_decoding_message_size`: the frame cannot do that for it.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// The most bytes of a call's metadata, as HTTP's headers have.
const MAX_METADATA: u32 = 32 * 1024;
/// The longest that a call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The most calls at once on one connection.
const MAX_STREAMS: u16 = 256;
/// How often an idle connection is asked whether its peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How often readiness is looked at until it is there.
const READINESS_POLL: Duration = Duration::from_millis(50);

/// A gRPC server's frame.
pub struct Frame {
    /// The service that its spans belong to.
    pub service: &'static str,
    /// Where its calls are counted.
    pub metrics: Metrics,
    /// The full names of the gRPC services that are served, for health and
    /// span names.
    pub names: &'static [&'static str],
    /// Their encoded `FileDescriptorSet`, for reflection.
    pub descriptors: &'static [u8],
    /// What it still waits for.
    pub readiness: Readiness,
    /// When to drain.
    pub shutdown: Shutdown,
}

impl Frame {
    /// Serves `routes` on `listener` until the drain. Call it inside a
    /// multi-threaded runtime.
    pub fn serve(self, listener: TcpListener, mut routes: RoutesBuilder) -> io::Result<Running> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));

        let reporter = HealthReporter::new();
        routes.add_service(tonic_health::pb::health_server::HealthServer::new(
            tonic_health::server::HealthService::from_health_reporter(reporter.clone()),
        ));
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(self.descriptors)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        routes.add_service(reflection().build_v1().map_err(io::Error::other)?);
        // Older clients know no other.
        routes.add_service(reflection().build_v1alpha().map_err(io::Error::other)?);

        let builder = Server::builder()
            .timeout(CALL_TIMEOUT)
            .concurrency_limit_per_connection(usize::from(MAX_STREAMS))
            .max_concurrent_streams(u32::from(MAX_STREAMS))
            .http2_max_header_list_size(MAX_METADATA)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .layer(TraceLayer::new(self.service, self.names, self.metrics))
            .add_routes(routes.routes());

        let mut running = Running::new();
        let (names, readiness) = (self.names, self.readiness);
        let drain = self.shutdown.clone();
        running.push(tokio::spawn(async move {
            report_health(reporter, names, &readiness, &drain).await;
            Ok(())
        }));
        let shutdown = self.shutdown;
        running.push(tokio::spawn(async move {
            let told = shutdown.clone();
            let served = builder.serve_with_incoming_shutdown(incoming, async move {
                told.begun().await;
            });
            let drained = async {
                shutdown.begun().await;
                tokio::time::sleep(DRAIN).await;
            };
            tokio::select! {
                ended = served => ended.map_err(io::Error::other),
                // A client that never ends its stream must not hold up the process.
                () = drained => Ok(()),
            }
        }));
        Ok(running)
    }
}

/// Says in the standard health service what `/readyz` says: not serving until
/// ready, and not serving while draining.
async fn report_health(
    reporter: HealthReporter,
    names: &[&str],
    readiness: &Readiness,
    shutdown: &Shutdown,
) {
    let say = async |status| {
        // The empty name is the server as a whole.
        for name in std::iter::once(&"").chain(names) {
            reporter.set_service_status(*name, status).await;
        }
    };
    say(ServingStatus::NotServing).await;
    let until_ready = async {
        while readiness.check().is_err() {
            tokio::time::sleep(READINESS_POLL).await;
        }
    };
    if shutdown.unless_begun(until_ready).await.is_some() {
        say(ServingStatus::Serving).await;
    }
    shutdown.begun().await;
    say(ServingStatus::NotServing).await;
}
