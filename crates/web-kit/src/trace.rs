//! The request's own span, and where its trace begins.

use actix_web::{HttpMessage as _, HttpRequest, http::Method};
use kit::{
    random::{OsRandom, Random},
    telemetry::{ServiceTag, journey::Journey, propagation},
};
use opentelemetry::Context;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Where the trace of a request begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// At the caller, another service: its `traceparent` is taken over.
    Caller,
    /// Here: a browser's headers count for nothing.
    Fresh,
    /// The handler says, by [`begin_journey`] or [`join_journey`].
    Journey,
}

/// Which requests begin where.
pub type Policy = fn(&Method, &str) -> From;

/// The request's span, kept with the request.
#[derive(Clone)]
pub(crate) struct RequestTrace {
    pub(crate) span: Span,
    service: &'static str,
    /// Stands in where nothing is traced.
    made_up: [u8; 16],
}

impl RequestTrace {
    pub(crate) fn new(service: &'static str, span: Span) -> Self {
        let random: &dyn Random = &OsRandom;
        Self {
            span,
            service,
            made_up: random.bytes(),
        }
    }

    pub(crate) fn root(&self) -> Context {
        Context::new().with_value(ServiceTag(self.service))
    }

    pub(crate) fn begin_at_caller(&self, traceparent: Option<&str>, tracestate: Option<&str>) {
        let caller = propagation::extract(traceparent, tracestate);
        let _ = self
            .span
            .set_parent(caller.with_value(ServiceTag(self.service)));
    }

    pub(crate) fn begin_here(&self) {
        let _ = self.span.set_parent(self.root());
    }

    /// The trace's id in hex. From here on the span's parent is fixed.
    pub(crate) fn id(&self) -> String {
        propagation::trace_id(&self.span)
            .unwrap_or_else(|| format!("{:032x}", u128::from_be_bytes(self.made_up) | 1))
    }
}

fn of(req: &HttpRequest) -> Option<RequestTrace> {
    req.extensions().get::<RequestTrace>().cloned()
}

/// Makes the request's span the first of the journey that `state` names. Run
/// the rest of the handler in it.
pub fn begin_journey(req: &HttpRequest, state: &str) -> Span {
    of(req).map_or_else(Span::none, |trace| {
        Journey::of_state(state).begin(&trace.span, trace.root());
        trace.span
    })
}

/// Makes the request's span a later one of the journey that `state` names.
/// Run the rest of the handler in it.
pub fn join_journey(req: &HttpRequest, state: &str) -> Span {
    of(req).map_or_else(Span::none, |trace| {
        Journey::of_state(state).join(&trace.span, &trace.root());
        trace.span
    })
}

/// The id of the request's trace, for a page that says what happened. Ask
/// after `begin_journey` or `join_journey`, not before.
pub fn id_of(req: &HttpRequest) -> String {
    of(req).map(|trace| trace.id()).unwrap_or_default()
}

/// The request's span as it is, for a handler that finds no journey to join.
pub fn span_of(req: &HttpRequest) -> Span {
    of(req).map_or_else(Span::none, |trace| trace.span)
}
