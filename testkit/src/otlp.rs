//! A receiver of traces and metrics by OTLP over gRPC, with OpenTelemetry's own
//! messages. It records each span, and the name of each metric, with the service that
//! the resource names.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use parking_lot::Mutex;
use tokio::{net::TcpListener, task::JoinHandle, time::Instant};
use tokio_stream::wrappers::TcpListenerStream;

/// A received span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanRecord {
    /// `service.name` of its resource.
    pub service: String,
    /// Its name.
    pub name: String,
    /// The trace, in hex.
    pub trace_id: String,
    /// The span's id, in hex.
    pub span_id: String,
    /// Its parent, in hex; empty for a root.
    pub parent_span_id: String,
    /// `Server`, `Client` or `Internal`.
    pub kind: String,
    /// Its attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// The names of its events with their attributes, and its status, as text.
    pub events: Vec<String>,
    /// Whether its status is an error.
    pub is_error: bool,
}

impl SpanRecord {
    /// One of its attributes.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// The receiver. Stops when dropped.
pub struct Otlp {
    endpoint: String,
    received: Received,
    task: JoinHandle<()>,
}

#[derive(Clone, Default)]
struct Received {
    spans: Arc<Mutex<Vec<SpanRecord>>>,
    /// Service and name.
    metrics: Arc<Mutex<BTreeSet<(String, String)>>>,
}

impl Otlp {
    /// Listens on a free port of loopback.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let received = Received::default();
        let spans = TraceServiceServer::new(received.clone()).max_decoding_message_size(64 << 20);
        let metrics = MetricsServiceServer::new(received.clone());
        let task = tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            tonic::transport::Server::builder()
                .add_service(spans)
                .add_service(metrics)
                .serve_with_incoming(incoming)
                .await
                .unwrap();
        });
        Self {
            endpoint,
            received,
            task,
        }
    }

    /// The value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<SpanRecord> {
        self.received.spans.lock().clone()
    }

    /// The metrics so far: service and name of each.
    pub fn metrics(&self) -> BTreeSet<(String, String)> {
        self.received.metrics.lock().clone()
    }

    /// Waits up to `patience` until the spans so far fulfil `enough`; returns
    /// them in any case, so that the assertion that follows can show what is missing.
    pub async fn until(
        &self,
        patience: Duration,
        enough: impl Fn(&[SpanRecord]) -> bool,
    ) -> Vec<SpanRecord> {
        let end = Instant::now() + patience;
        loop {
            let spans = self.spans();
            if enough(&spans) || Instant::now() > end {
                return spans;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Otlp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        for resource_spans in request.into_inner().resource_spans {
            let resource = attributes(&resource_spans.resource.unwrap_or_default().attributes);
            let service = resource.get("service.name").cloned().unwrap_or_default();
            let spans = resource_spans
                .scope_spans
                .into_iter()
                .flat_map(|scope| scope.spans);
            self.spans
                .lock()
                .extend(spans.map(|span| record(&service, &span)));
        }
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Received {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, tonic::Status> {
        for resource_metrics in request.into_inner().resource_metrics {
            let resource = attributes(&resource_metrics.resource.unwrap_or_default().attributes);
            let service = resource.get("service.name").cloned().unwrap_or_default();
            let scopes = resource_metrics.scope_metrics.into_iter();
            let metrics = scopes.flat_map(|scope| scope.metrics);
            let named = metrics.map(|metric| (service.clone(), metric.name));
            self.metrics.lock().extend(named);
        }
        let response = ExportMetricsServiceResponse::default();
        Ok(tonic::Response::new(response))
    }
}

fn record(service: &str, span: &Span) -> SpanRecord {
    let events = span
        .events
        .iter()
        .map(|event| format!("{} {:?}", event.name, attributes(&event.attributes)));
    let status = span
        .status
        .iter()
        .map(|status| format!("status {} {}", status.code, status.message));
    SpanRecord {
        service: service.to_owned(),
        name: span.name.clone(),
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_span_id: hex(&span.parent_span_id),
        kind: kind(span.kind()).to_owned(),
        attributes: attributes(&span.attributes),
        events: events.chain(status).collect(),
        is_error: span
            .status
            .as_ref()
            .is_some_and(|status| status.code() == StatusCode::Error),
    }
}

const fn kind(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Server => "Server",
        SpanKind::Client => "Client",
        _ => "Internal",
    }
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    attributes
        .iter()
        .map(|attribute| (attribute.key.clone(), text(attribute.value.as_ref())))
        .collect()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
