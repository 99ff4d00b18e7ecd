//! Span ids: random, except for spans whose ids are known before they are made
//! (`login_trace`, `context`).

use std::cell::Cell;

use opentelemetry::{
    Context,
    trace::{SpanId, TraceId},
};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

thread_local! {
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Begins `span`, which must not have been entered, with these ids. `within`
/// is the rest of its context.
pub(super) fn begin(span: &Span, ids: (TraceId, SpanId), within: Context) {
    // Without a span layer there is nothing to set, and nothing to do.
    let _ = span.set_parent(within);
    NEXT.set(Some(ids));
    // The first read of a span's context starts the span.
    let _ = span.context();
    NEXT.set(None);
}

/// The generator that returns the ids of [`begin`].
#[derive(Clone, Debug, Default)]
pub(super) struct KnownIds(RandomIdGenerator);

impl IdGenerator for KnownIds {
    fn new_trace_id(&self) -> TraceId {
        NEXT.get()
            .map_or_else(|| self.0.new_trace_id(), |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.get()
            .map_or_else(|| self.0.new_span_id(), |(_, span)| span)
    }
}
