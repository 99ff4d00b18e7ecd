//! A receiver of traces that speaks OTLP over gRPC, by OpenTelemetry's own
//! messages, and keeps each span with the service that its resource names.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::Span,
};
use parking_lot::Mutex;
use tokio::{net::TcpListener, task::JoinHandle, time::Instant};
use tokio_stream::wrappers::TcpListenerStream;

/// One span as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanRecord {
    /// `service.name` of its resource.
    pub service: String,
    /// Its name.
    pub name: String,
    /// The trace, in hex.
    pub trace_id: String,
    /// Itself, in hex.
    pub span_id: String,
    /// Its parent, in hex; empty for a root.
    pub parent_span_id: String,
    /// Its attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// The names of its events with their attributes, and its status, as text.
    pub events: Vec<String>,
}

/// The receiver. It ends when dropped.
pub struct Otlp {
    endpoint: String,
    spans: Received,
    task: JoinHandle<()>,
}

#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<SpanRecord>>>);

impl Otlp {
    /// Listens on a free port of loopback.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let spans = Received::default();
        let service = TraceServiceServer::new(spans.clone()).max_decoding_message_size(64 << 20);
        let task = tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming)
                .await
                .unwrap();
        });
        Self {
            endpoint,
            spans,
            task,
        }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<SpanRecord> {
        self.spans.0.lock().clone()
    }

    /// Waits until the spans so far fulfil `enough`, at most for `patience`;
    /// gives them either way: the assertion that follows says what is missing.
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
            self.0
                .lock()
                .extend(spans.map(|span| record(&service, &span)));
        }
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
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
        attributes: attributes(&span.attributes),
        events: events.chain(status).collect(),
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
