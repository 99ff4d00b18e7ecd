//! A login's legs through the browser are one trace, and no stranger's header
//! is trusted for it: trace id and the id of the span that began it are derived
//! from a hash of `state`, which both sides know (the pushed one too). A
//! stranger who makes up a `state` gets a trace of its own, never another's.
//! It holds where a foreign provider sends no spans: the parent is our own.

use aws_lc_rs::digest::{SHA256, digest};
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{ids, is_sampled};

/// One login's way through the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Journey {
    trace_id: TraceId,
    span_id: SpanId,
}

impl Journey {
    /// The journey of this `state`.
    pub fn of_state(state: &str) -> Self {
        let digest = digest(&SHA256, format!("sso-lab journey v1\n{state}").as_bytes());
        let mut trace = [0; 16];
        let mut span = [0; 8];
        trace.copy_from_slice(&digest.as_ref()[..16]);
        span.copy_from_slice(&digest.as_ref()[16..24]);
        Self {
            trace_id: TraceId::from_bytes(trace),
            span_id: SpanId::from_bytes(span),
        }
    }

    /// The trace's id.
    pub(super) const fn trace_id(self) -> TraceId {
        self.trace_id
    }

    /// Makes `span`, which must not have been entered, the journey's first.
    /// `within` carries what the span's context holds besides (its service).
    pub(super) fn begin(self, span: &Span, within: Context) {
        ids::begin(span, (self.trace_id, self.span_id), within);
    }

    /// Makes `span`, which must not have been entered, a later one.
    pub(super) fn join(self, span: &Span, within: &Context) {
        let flags = TraceFlags::default().with_sampled(is_sampled(self.trace_id));
        let first = SpanContext::new(
            self.trace_id,
            self.span_id,
            flags,
            true,
            TraceState::default(),
        );
        let _ = span.set_parent(within.with_remote_span_context(first));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_state_is_one_journey() {
        assert_eq!(Journey::of_state("S555"), Journey::of_state("S555"));
        assert_ne!(Journey::of_state("S555"), Journey::of_state("S556"));
    }
}
