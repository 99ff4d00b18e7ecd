//! W3C Trace Context between services. Between services only: what a browser
//! sends is not taken over.

use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::TraceContextExt as _,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::place;

/// Adds `traceparent` of the current span to an outgoing call; where its trace
/// is not kept, one that says so.
pub fn inject(headers: &mut http::HeaderMap) {
    if let Some(context) = current() {
        TraceContextPropagator::new().inject_context(&context, &mut Headers(headers));
    }
}

/// The same to outgoing gRPC metadata.
pub fn inject_metadata(metadata: &mut tonic::metadata::MetadataMap) {
    if let Some(context) = current() {
        TraceContextPropagator::new().inject_context(&context, &mut Metadata(metadata));
    }
}

fn current() -> Option<Context> {
    let span = Span::current();
    if span.is_none() {
        let unsampled = place::unsampled()?;
        return Some(Context::new().with_remote_span_context(unsampled));
    }
    Some(span.context())
}

/// The caller's span, by the two headers of W3C Trace Context.
pub fn extract(traceparent: Option<&str>, tracestate: Option<&str>) -> Context {
    let headers = Received {
        traceparent,
        tracestate,
    };
    TraceContextPropagator::new().extract_with_context(&Context::new(), &headers)
}

struct Headers<'a>(&'a mut http::HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        let name = http::HeaderName::from_bytes(key.as_bytes());
        if let (Ok(name), Ok(value)) = (name, http::HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

struct Metadata<'a>(&'a mut tonic::metadata::MetadataMap);

impl Injector for Metadata<'_> {
    fn set(&mut self, key: &str, value: String) {
        let key = tonic::metadata::MetadataKey::from_bytes(key.as_bytes());
        if let (Ok(key), Ok(value)) = (key, value.parse()) {
            self.0.insert(key, value);
        }
    }
}

struct Received<'a> {
    traceparent: Option<&'a str>,
    tracestate: Option<&'a str>,
}

impl Extractor for Received<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.traceparent,
            "tracestate" => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}
