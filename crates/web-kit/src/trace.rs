//! A request's span, and the trace that it belongs to.

use actix_web::{HttpMessage as _, HttpRequest, http::Method};
use kit::telemetry::{context::TraceContext, login_trace::LoginTrace};
use tracing::Span;

/// Where the trace of a request begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// At the caller, another service: its `traceparent` is continued.
    Caller,
    /// At this request. A browser's trace headers are ignored.
    New,
    /// At the login that the handler names by [`begin_login_trace`] or
    /// [`join_login_trace`].
    Login,
}

/// Chooses the origin of a request's trace by its method and path.
pub type TracePolicy = fn(&Method, &str) -> Origin;

/// The trace context of a login's request, for its handler. Other requests run in
/// their contexts.
#[derive(Clone)]
pub(crate) struct RequestTrace(pub(crate) TraceContext);

/// Makes the request's span the first of the login with this `state`. Run the rest
/// of the handler in the returned span.
pub fn begin_login_trace(req: &HttpRequest, state: &str) -> Span {
    let context = context_of(req);
    context.map_or_else(Span::none, |own| own.begin(LoginTrace::of_state(state)))
}

/// Makes the request's span a later one of the login with this `state`. Run the
/// rest of the handler in the returned span.
pub fn join_login_trace(req: &HttpRequest, state: &str) -> Span {
    let context = context_of(req);
    context.map_or_else(Span::none, |own| own.join(LoginTrace::of_state(state)))
}

/// The trace id of the request, for an error page. Call this function after
/// [`begin_login_trace`] or [`join_login_trace`].
pub fn id_of(req: &HttpRequest) -> String {
    context_of(req)
        .map(|context| context.trace_id())
        .unwrap_or_default()
}

/// The request's span. After this call the request can join no login's trace.
pub fn span_of(req: &HttpRequest) -> Span {
    let extensions = req.extensions();
    let own = extensions.get::<RequestTrace>();
    own.map_or_else(TraceContext::current_span, |trace| trace.0.span())
}

fn context_of(req: &HttpRequest) -> Option<TraceContext> {
    let extensions = req.extensions();
    let own = extensions.get::<RequestTrace>();
    own.map(|trace| trace.0.clone())
        .or_else(TraceContext::current)
}
