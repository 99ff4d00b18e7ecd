//! The gRPC server: everything that all gRPC services have in common.

use std::{io, time::Duration};

use futures_util::{Stream, StreamExt as _, future::Either, stream};
use kit::{
    admission::Admission, listeners::Sockets, metrics::Metrics, readiness::Readiness,
    running::Running, shutdown::Shutdown,
};
use tonic::{
    service::RoutesBuilder,
    transport::{Server, server::TcpIncoming},
};
use tonic_health::{ServingStatus, server::HealthReporter};
use tonic_reflection::pb::{v1, v1alpha};

use crate::{
    methods::Methods,
    socket::{Admitted, Socket},
    trace::TraceLayer,
};

/// The maximum size of a message in bytes. Pass it to each generated server with
/// `max_decoding_message_size`, because [`GrpcServer`] cannot.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// The maximum size of a call's metadata in bytes, as for HTTP headers.
const MAX_METADATA: u32 = 32 * 1024;
/// The time limit of a call.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum number of concurrent calls on one connection.
const MAX_STREAMS: u16 = 256;
/// The flow-control windows of a call and of a connection: one message, and a few.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// The interval of pings on an idle connection.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// The interval of readiness checks until the service is ready.
const READINESS_POLL: Duration = Duration::from_millis(50);

/// A gRPC server with everything that all gRPC services have in common.
pub struct GrpcServer {
    /// The service that its spans belong to.
    pub service: &'static str,
    /// The metrics of its calls.
    pub metrics: Metrics,
    /// The full names of the gRPC services that are served, for health,
    /// reflection and span names.
    pub names: &'static [&'static str],
    /// An encoded `FileDescriptorSet` with all of them; other services in it are not
    /// announced.
    pub descriptors: &'static [u8],
    /// The state of `/readyz`.
    pub readiness: Readiness,
    /// When to drain.
    pub shutdown: Shutdown,
    /// The limits on clients of this process.
    pub admission: Admission,
}

impl GrpcServer {
    /// Serves `routes` on `listeners` until the drain. Call it inside a
    /// multi-threaded runtime. A service without a descriptor is an error.
    pub fn serve(
        self,
        listeners: impl Into<Sockets>,
        mut routes: RoutesBuilder,
    ) -> io::Result<Running> {
        let incoming = incoming(listeners.into(), self.admission.clone())?;
        let reporter = HealthReporter::new();
        routes.add_service(tonic_health::pb::health_server::HealthServer::new(
            tonic_health::server::HealthService::from_health_reporter(reporter.clone()),
        ));
        let reflection = || reflection_of(self.names, self.descriptors);
        routes.add_service(reflection().build_v1().map_err(io::Error::other)?);
        // Older clients know no other.
        routes.add_service(reflection().build_v1alpha().map_err(io::Error::other)?);
        let methods = Methods::of(self.names, self.descriptors)?;

        let builder = Server::builder()
            .timeout(CALL_TIMEOUT)
            .concurrency_limit_per_connection(usize::from(MAX_STREAMS))
            .max_concurrent_streams(u32::from(MAX_STREAMS))
            .http2_max_header_list_size(MAX_METADATA)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .layer(TraceLayer::new(self.service, methods, self.metrics))
            .add_routes(routes.routes());

        let mut running = Running::new();
        let (names, readiness) = (self.names, self.readiness);
        let drain = self.shutdown.clone();
        running.push(tokio::spawn(async move {
            report_health(reporter, names, &readiness, &drain).await;
            Ok(())
        }));
        let shutdown = self.shutdown;
        let sweep = self.admission.sweep();
        running.push(tokio::spawn(async move {
            // Until then a new connection's health check answers NOT_SERVING; then open
            // connections get GOAWAY (RFC 9113 §6.8).
            let stop = shutdown.time_to_stop();
            tokio::select! {
                ended = builder.serve_with_incoming_shutdown(incoming, stop) => {
                    ended.map_err(io::Error::other)
                }
                () = sweep => Ok(()),
                // A client that never ends its stream must not delay the process's end.
                () = shutdown.time_is_up() => Ok(()),
            }
        }));
        Ok(running)
    }
}

/// The admitted connections of all `listeners`, after their TLS handshakes.
fn incoming(
    listeners: Sockets,
    admission: Admission,
) -> io::Result<impl Stream<Item = io::Result<Socket>>> {
    let Sockets { bound, tls, .. } = listeners;
    let incoming = bound.into_iter().map(|listener| {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Ok(TcpIncoming::from(listener).with_nodelay(Some(true)))
    });
    let incoming = stream::select_all(incoming.collect::<io::Result<Vec<_>>>()?);
    let at_once = admission.limits().connections;
    let admitted = incoming.filter_map(move |io| {
        let admitted = io.map(|io| Admitted::new(io, &admission)).transpose();
        std::future::ready(admitted)
    });
    let Some(tls) = tls else {
        return Ok(Either::Left(
            admitted.map(|admitted| admitted.map(Admitted::plain)),
        ));
    };
    // Each handshake is a task, so that a slow client delays no other.
    let shaken = admitted.map(move |admitted| {
        let tls = tls.clone();
        tokio::spawn(async move { admitted?.shake(&tls).await })
    });
    let shaken = shaken.buffer_unordered(at_once);
    Ok(Either::Right(shaken.filter_map(|shaken| {
        // A failed handshake, which `kit::tls` has logged, ends only its own connection.
        std::future::ready(shaken.ok().and_then(Result::ok).map(Ok))
    })))
}

/// Announces the served services: a set of descriptors can contain others.
fn reflection_of<'a>(
    names: &[&str],
    descriptors: &'a [u8],
) -> tonic_reflection::server::Builder<'a> {
    let kits = [
        tonic_health::pb::health_server::SERVICE_NAME,
        v1::server_reflection_server::SERVICE_NAME,
        v1alpha::server_reflection_server::SERVICE_NAME,
    ];
    let sets = [
        descriptors,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        v1::FILE_DESCRIPTOR_SET,
        v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let mut builder = tonic_reflection::server::Builder::configure()
        // Each version would add itself alone.
        .include_reflection_service(false);
    for set in sets {
        builder = builder.register_encoded_file_descriptor_set(set);
    }
    for name in names.iter().chain(&kits) {
        builder = builder.with_service_name(*name);
    }
    builder
}

/// Keeps the standard health service equal to `/readyz`: not serving until ready, and not
/// serving while draining.
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
