//! Span ids: random, but for a span whose ids are derived (`journey`).

use std::cell::Cell;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

thread_local! {
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// The next span that begins on this thread inside `begin` gets these ids.
pub(super) fn with_next(ids: (TraceId, SpanId), begin: impl FnOnce()) {
    NEXT.set(Some(ids));
    begin();
    NEXT.set(None);
}

/// The generator that knows of [`with_next`].
#[derive(Clone, Debug, Default)]
pub(super) struct DerivedIds(RandomIdGenerator);

impl IdGenerator for DerivedIds {
    fn new_trace_id(&self) -> TraceId {
        NEXT.get()
            .map_or_else(|| self.0.new_trace_id(), |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.get()
            .map_or_else(|| self.0.new_span_id(), |(_, span)| span)
    }
}
