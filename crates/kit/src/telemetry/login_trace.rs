//! The requests of one login form one trace, although the browser's trace headers
//! are not trusted: both the app and the provider derive the trace id and the first
//! span's id from a hash of `state`, which both know (a pushed request carries it
//! too). A client that invents a `state` gets a trace of its own. A provider that
//! exports no spans breaks nothing: the parent span is the app's.

use aws_lc_rs::digest::{SHA256, digest};
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{ids, is_sampled};

/// The trace of one login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginTrace {
    trace_id: TraceId,
    span_id: SpanId,
}

impl LoginTrace {
    /// The trace of the login with this `state`.
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

    /// The trace id.
    pub(super) const fn trace_id(self) -> TraceId {
        self.trace_id
    }

    /// Makes `span`, which must not have been entered, the login's first span.
    /// `within` is the rest of the span's context: its service.
    pub(super) fn begin(self, span: &Span, within: Context) {
        ids::begin(span, (self.trace_id, self.span_id), within);
    }

    /// Makes `span`, which must not have been entered, a child of the login's first
    /// span. `is_watched`: a journey's requests are sampled in any trace.
    pub(super) fn join(self, span: &Span, within: &Context, is_watched: bool) {
        let is_sampled = is_watched || is_sampled(self.trace_id);
        let flags = TraceFlags::default().with_sampled(is_sampled);
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

    /// The single-page app derives the same (`services/lab/assets/spa/lab.js`).
    #[test]
    fn the_ids_are_a_hash_of_state() {
        let trace = LoginTrace::of_state("S555");
        assert_eq!(
            trace.trace_id.to_string(),
            "8320a5114131c612af17994ed442ea9e"
        );
        assert_eq!(trace.span_id.to_string(), "f527df6c10956ac1");
    }

    #[test]
    fn one_state_is_one_login() {
        assert_eq!(LoginTrace::of_state("S555"), LoginTrace::of_state("S555"));
        assert_ne!(LoginTrace::of_state("S555"), LoginTrace::of_state("S556"));
    }
}
