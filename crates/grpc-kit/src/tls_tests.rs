//! The server over TLS, called by real clients.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Request as HttpRequest, Response};
use hyper_util::rt::TokioIo;
use kit::{
    admission::{Admission, Limits},
    metrics::Metrics,
    readiness::Readiness,
    running::Running,
    shutdown::{Drain, Shutdown},
    tls::{Issued, PeerCertificates, Protocol},
};
use parking_lot::Mutex;
use tls_testing::{TlsPort, until_ended};
use tonic::{
    Request,
    body::Body,
    client::Grpc,
    server::NamedService,
    service::RoutesBuilder,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use crate::GrpcServer;

const INVENTORY: &str = "sso.inventory.v1.Inventory";
/// More than a test takes.
const LONG: Duration = Duration::from_secs(60);

/// Answers nothing, and keeps the certificate of each call's client.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Option<PeerCertificates>>>>);

impl NamedService for Seen {
    const NAME: &'static str = INVENTORY;
}

impl tower::Service<HttpRequest<Body>> for Seen {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        let request = Request::from_http(request);
        let seen = crate::peer_certificates(&request).cloned();
        self.0.lock().push(seen);
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from_static("12"));
        Box::pin(std::future::ready(Ok(response)))
    }
}

struct Served {
    port: TlsPort,
    seen: Seen,
    shutdown: Shutdown,
    running: Running,
}

impl Served {
    fn new(limits: Limits) -> Self {
        let (port, sockets) = TlsPort::open(Protocol::Grpc);
        let shutdown = Shutdown::with(Drain::default());
        let server = GrpcServer {
            admission: Admission::new(limits),
            service: "tested",
            metrics: Metrics::new("tested").unwrap(),
            names: &[INVENTORY],
            descriptors: sso_proto::DESCRIPTORS,
            readiness: Readiness::waiting_for(shutdown.clone(), &[]),
            shutdown: shutdown.clone(),
        };
        let seen = Seen::default();
        let mut routes = RoutesBuilder::default();
        routes.add_service(seen.clone());
        let running = server.serve(sockets, routes).unwrap();
        Self {
            port,
            seen,
            shutdown,
            running,
        }
    }

    /// A new connection.
    fn channel(&self, own: Option<Issued>) -> Channel {
        let client = self.port.client(own);
        let endpoint = Endpoint::from_static("https://localhost");
        endpoint.connect_with_connector_lazy(tower::service_fn(move |_| {
            let client = client.clone();
            async move { client.connect().await.map(TokioIo::new) }
        }))
    }

    /// Makes a call on `channel`.
    async fn call(channel: Channel) {
        let mut client = Grpc::new(channel);
        client.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static("/sso.inventory.v1.Inventory/List");
        let codec = ProstCodec::<(), ()>::default();
        let called = client.unary(Request::new(()), path, codec);
        let answer = tokio::time::timeout(LONG, called).await.unwrap();
        assert_eq!(answer.unwrap_err().code(), tonic::Code::Unimplemented);
    }

    async fn end(self) {
        self.shutdown.begin();
        self.running.join().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_has_the_certificate_of_its_client() {
    let served = Served::new(Limits::default());
    let own = served.port.certificate("batch");
    let certificate = own.certificate.clone();
    let channel = served.channel(Some(own));
    Served::call(channel.clone()).await;
    Served::call(channel).await;
    Served::call(served.channel(None)).await;
    let seen: Vec<_> = served.seen.0.lock().drain(..).collect();
    let own = |seen: &Option<PeerCertificates>| seen.as_ref().map(|seen| seen.own().clone());
    let seen: Vec<_> = seen.iter().map(own).collect();
    assert_eq!(seen, [Some(certificate.clone()), Some(certificate), None]);
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_that_stall_delay_no_other_and_are_ended() {
    let limits = Limits {
        tick: Duration::from_millis(20),
        head: 10,
        ..Limits::default()
    };
    let served = Served::new(limits);
    let mut stalled = Vec::new();
    for _ in 0..20 {
        stalled.push(served.port.stalled().await);
    }
    Served::call(served.channel(None)).await;
    for one in stalled {
        tokio::time::timeout(LONG, until_ended(one)).await.unwrap();
    }
    served.end().await;
}
