//! Writes W3C Trace Context into outgoing calls; [`caller`](super::caller()) reads
//! it from incoming ones.

use http::{HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    propagation::{Injector, TextMapPropagator as _},
    trace::TraceContextExt as _,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{ServiceTag, context};
use crate::{
    clock::{Clock as _, SystemClock},
    journey::{self, Journey},
    random::OsRandom,
};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Adds `traceparent` to an outgoing HTTP call: that of the current span, or one
/// with the sampled flag off if the trace is not sampled.
pub fn inject(headers: &mut http::HeaderMap) {
    inject_into(&mut Headers(headers));
}

/// Adds `traceparent` to outgoing gRPC metadata, as [`inject`] does.
pub fn inject_metadata(metadata: &mut tonic::metadata::MetadataMap) {
    inject_into(&mut Metadata(metadata));
}

fn inject_into(call: &mut dyn Injector) {
    let span = Span::current();
    if !span.is_none() {
        let context = span.context();
        TraceContextPropagator::new().inject_context(&context, call);
        inject_journey(&context, call);
    } else if let Some((parent, state)) = context::unsampled() {
        call.set(TRACEPARENT.as_str(), parent);
        if let Some(state) = state {
            call.set("tracestate", state);
        }
    }
}

/// Adds the journey of `context` to `tracestate`, before what others wrote there (W3C Trace
/// Context §3.5).
fn inject_journey(context: &Context, call: &mut dyn Injector) {
    let Some((journey, keys)) = context.get::<Journey>().zip(journey::of_process()) else {
        return;
    };
    let own = context.get::<ServiceTag>().map_or("", |tag| tag.0);
    let span = context.span();
    let span = span.span_context();
    let sealed = keys.state(journey, own, span.trace_id(), SystemClock.now(), &OsRandom);
    let state = span.trace_state().insert(journey::STATE_KEY, sealed);
    if let Ok(state) = state {
        call.set("tracestate", state.header());
    }
}

struct Headers<'a>(&'a mut http::HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        let name = match key {
            "traceparent" => Ok(TRACEPARENT),
            other => HeaderName::from_bytes(other.as_bytes()),
        };
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
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
