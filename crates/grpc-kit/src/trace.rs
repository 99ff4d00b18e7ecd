//! The layer around each call: it opens the server span (a child of the caller's, by
//! W3C Trace Context; none if the caller's trace is not sampled), counts the call in
//! the metrics, charges the request body to the client's address and keeps the
//! connection busy until the answer is sent.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use kit::{
    clock::{Clock as _, SystemClock},
    journey::JourneyKeys,
    lab_control::{Control, FAILURES, Fault},
    metrics::Metrics,
    telemetry::{caller, context::TraceContext, items::Items},
};
use tonic::Status;
use tower::{Layer, Service};
use tracing::{Span, field::Empty};

use crate::{
    methods::Methods,
    socket::{MeteredBody, Peer, ResponseBody},
    streams::Streams,
};

/// Surrounds each call with its span.
#[derive(Clone, Debug)]
pub(crate) struct TraceLayer {
    service: &'static str,
    methods: Methods,
    metrics: Metrics,
    /// With which journeys are recognized, if this is a lab.
    journeys: Option<Arc<JourneyKeys>>,
    /// The lab's hold on the service, if this is a lab.
    control: Option<Arc<Control>>,
    streams: Arc<Streams>,
}

impl TraceLayer {
    pub(crate) fn new(service: &'static str, methods: Methods, metrics: Metrics) -> Self {
        Self {
            service,
            methods,
            metrics,
            journeys: kit::journey::of_process(),
            control: kit::lab_control::of_service(service),
            streams: Arc::new(Streams::new()),
        }
    }

    /// Records what a call of a journey carries.
    fn record_request(&self, context: &TraceContext, metadata: &HeaderMap) {
        let Some((keys, journey)) = self.journeys.clone().zip(context.journey()) else {
            return;
        };
        let mut items = Items::new(keys, journey);
        let sent = metadata.get("authorization");
        if let Some(sent) = sent.and_then(|value| value.to_str().ok()) {
            items.authorization(sent);
        }
        items.record_request(&context.span());
    }

    /// Names a failure of the lab that every call meets in the call's span. Returns whether
    /// the service is down.
    fn meet_faults(&self, span: &Span) -> bool {
        let Some(control) = &self.control else {
            return false;
        };
        let mut met = [Fault::Down, Fault::ClockSkew].into_iter();
        let met = met.find(|fault| control.is(*fault));
        if let Some(fault) = met {
            span.record("sso.fault", fault.name());
        }
        met == Some(Fault::Down)
    }

    /// The header that names the service's failures, if a lab has switched some on.
    fn failures_header(&self) -> Option<(HeaderName, HeaderValue)> {
        let value = self.control.as_ref()?.failures_value()?;
        let value = HeaderValue::try_from(value).ok()?;
        Some((HeaderName::from_static(FAILURES), value))
    }

    fn context(&self, name: &str, method: &str, metadata: &HeaderMap) -> TraceContext {
        let values = |key| metadata.get_all(key).iter().map(HeaderValue::as_bytes);
        let caller = caller(values("traceparent"), values("tracestate"));
        let watched = self.journeys.as_ref().zip(caller.as_ref());
        let watched =
            watched.and_then(|(keys, caller)| keys.of_caller(caller, || SystemClock.now()));
        TraceContext::child(self.service, caller, watched, || {
            tracing::info_span!(
                target: "sso",
                "rpc",
                "otel.name" = format_args!("{name}/{method}"),
                "otel.kind" = "server",
                "otel.status_code" = Empty,
                "rpc.system" = "grpc",
                "rpc.service" = name,
                "rpc.method" = method,
                "rpc.grpc.status_code" = Empty,
                "sso.outcome" = Empty,
                "sso.fault" = Empty,
            )
        })
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced {
            inner,
            layer: self.clone(),
        }
    }
}

/// The question of supervisors, which is answered at once.
const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";
/// How long a client may watch before it has to ask again.
const WATCH: Duration = Duration::from_mins(5);

/// A service whose calls have spans.
#[derive(Clone, Debug)]
pub(crate) struct Traced<S> {
    inner: S,
    layer: TraceLayer,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Traced<S>
where
    S: Service<Request<MeteredBody<ReqBody>>, Response = Response<ResBody>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    ResBody: 'static,
    ResBody: Default,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let peer = request.extensions().get::<Peer>().cloned();
        insert_for_methods(&mut request, peer.as_ref());
        let path = request.uri().path();
        let named = self.layer.methods.named(path);
        // Health and reflection: a client may watch them.
        let is_watch = named.is_none() && path != HEALTH_CHECK;
        let streams = &self.layer.streams;
        let kind = if is_watch {
            &streams.watches
        } else {
            &streams.calls
        };
        let open = peer.as_ref().map(|peer| kind.take(peer.bucket()));
        if let Some(None) = open {
            return Box::pin(async { Ok(too_many_calls()) });
        }
        let open = open.flatten();
        // Each call begins, which ends the wait for a connection's first one; while a client
        // watches, its connection counts as idle.
        let in_flight = peer.as_ref().map(Peer::begin).filter(|_| !is_watch);
        let request = request.map(|body| MeteredBody::new(body, peer.as_ref()));
        let Some((name, method)) = named else {
            let answering = self.inner.call(request);
            return Box::pin(async move {
                let answer = answering.await?;
                Ok(answer.map(|body| {
                    let body = ResponseBody::new(body, in_flight, open);
                    if is_watch {
                        body.for_at_most(WATCH)
                    } else {
                        body
                    }
                }))
            });
        };
        let started = Instant::now();
        let context = self.layer.context(name, &method, request.headers());
        self.layer.record_request(&context, request.headers());
        let is_down = self.layer.meet_faults(&context.span());
        let inner = &mut self.inner;
        let answering = (!is_down).then(|| inner.call(request));
        let failures = self.layer.failures_header();
        let metrics = self.layer.metrics.clone();
        Box::pin(async move {
            let mut response = match answering {
                Some(answering) => context.in_span(answering).await?,
                None => Status::unavailable("the lab has switched this service off").into_http(),
            };
            response.headers_mut().extend(failures);
            let (code, span) = (status_code(response.headers()), context.span());
            span.record("rpc.grpc.status_code", i64::from(code));
            if is_server_error(code) {
                span.record("otel.status_code", "ERROR");
            }
            metrics.call(name, &method, code, started.elapsed());
            Ok(response.map(|body| ResponseBody::new(body, in_flight, open)))
        })
    }
}

/// The answer to a call of an address that has too many open.
fn too_many_calls<B: Default>() -> Response<ResponseBody<B>> {
    let full = Status::resource_exhausted("too many calls are open from this address");
    full.into_http::<B>()
        .map(|body| ResponseBody::new(body, None, None))
}

/// Puts into the extensions of `request` what methods read there.
fn insert_for_methods<B>(request: &mut Request<B>, peer: Option<&Peer>) {
    // tonic does not tell a method its URI, which a DPoP proof names.
    let uri = request.uri().clone();
    let extensions = request.extensions_mut();
    extensions.insert(uri);
    let Some(peer) = peer else {
        return;
    };
    // tonic's own sockets set this too.
    extensions.insert(peer.tcp.clone());
    if let Some(certificates) = &peer.certificates {
        extensions.insert(certificates.clone());
    }
}

/// A failed unary call is answered by headers alone; without `grpc-status`
/// among them it went well so far.
fn status_code(headers: &HeaderMap) -> u8 {
    let status = headers.get("grpc-status");
    status
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(0)
}

/// The codes that OpenTelemetry counts as a server's own failure: UNKNOWN,
/// DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
fn is_server_error(code: u8) -> bool {
    matches!(code, 2 | 4 | 12 | 13 | 14 | 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_a_failed_call_stands_in_its_headers() {
        let mut headers = HeaderMap::new();
        assert_eq!(status_code(&headers), 0);
        headers.insert("grpc-status", "16".parse().unwrap());
        assert_eq!(status_code(&headers), 16);
    }

    #[test]
    fn a_refused_caller_is_no_failure_of_the_server() {
        assert!(!is_server_error(16) && !is_server_error(7) && !is_server_error(9));
        assert!(is_server_error(14));
    }
}
