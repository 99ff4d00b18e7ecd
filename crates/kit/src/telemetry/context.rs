//! The trace context of a request. Sampling is decided at the head: before the
//! first span of a trace is made. A request in an unsampled trace has no span and
//! no steps, and its outgoing calls carry `traceparent` with the sampled flag off,
//! so no other service records a part of that trace.

use std::sync::{Arc, OnceLock};

use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};
use tracing::{Instrument as _, Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{ServiceTag, ids, is_sampled, login_trace::LoginTrace};
use crate::journey::{Called, Journey, Pass};

tokio::task_local! {
    static CURRENT: Option<TraceContext>;
}

/// The trace that a request belongs to, and its span there.
#[derive(Clone, Debug)]
pub struct TraceContext {
    service: &'static str,
    journey: Option<Journey>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// The trace is sampled: the request has this span.
    Sampled(Span, TraceId),
    /// The handler chooses the trace, once it knows the login.
    Deferred(Arc<DeferredTrace>),
    /// The trace is not sampled.
    Unsampled(SpanContext),
    /// This process exports no traces. Log lines and `Trace-Id` still need an id.
    Untraced(TraceId),
}

/// The trace of a request that may be part of a login.
#[derive(Debug)]
struct DeferredTrace {
    /// None where this process exports no traces.
    span: Span,
    /// The ids that the request has if it is part of no login.
    own: (TraceId, SpanId),
    /// The request's trace, once it is chosen.
    chosen: OnceLock<TraceId>,
}

impl TraceContext {
    /// Starts a new trace; `span` makes the request's span if the trace is sampled, as that
    /// of a request of a `journey` always is.
    pub fn root(
        service: &'static str,
        journey: Option<Journey>,
        span: impl FnOnce() -> Span,
    ) -> Self {
        if !is_traced() {
            return Self::untraced(service);
        }
        let (trace_id, span_id) = new_ids();
        if journey.is_none() && !is_sampled(trace_id) {
            let flags = TraceFlags::NOT_SAMPLED;
            let context = SpanContext::new(trace_id, span_id, flags, false, TraceState::NONE);
            return Self::new(service, None, Kind::Unsampled(context));
        }
        let span = span();
        ids::begin(&span, (trace_id, span_id), within(service, journey));
        Self::new(service, journey, Kind::Sampled(span, trace_id))
    }

    /// Continues the trace of `caller` (see [`caller`](super::caller())); starts a
    /// new trace if there is no caller. `watched`: the journey that the caller names.
    pub fn child(
        service: &'static str,
        caller: Option<SpanContext>,
        watched: Option<Called>,
        span: impl FnOnce() -> Span,
    ) -> Self {
        let Some(context) = caller else {
            return Self::root(service, None, span);
        };
        let trace_id = context.trace_id();
        if !is_traced() {
            return Self::new(service, None, Kind::Untraced(trace_id));
        }
        // Without a collector only a journey's spans go anywhere.
        let is_exported = context.is_sampled() && super::has_collector();
        if watched.is_none() && !is_exported {
            return Self::new(service, None, Kind::Unsampled(context));
        }
        let span = span();
        let journey = watched.as_ref().map(|watched| watched.journey);
        let mut parent = within(service, journey).with_remote_span_context(context);
        if let Some(watched) = watched {
            parent = parent.with_value(watched);
        }
        let _ = span.set_parent(parent);
        Self::new(service, journey, Kind::Sampled(span, trace_id))
    }

    /// The handler chooses the trace, once it knows the login
    /// ([`begin`](Self::begin), [`join`](Self::join)).
    pub fn deferred(
        service: &'static str,
        journey: Option<Journey>,
        span: impl FnOnce() -> Span,
    ) -> Self {
        let span = if is_traced() { span() } else { Span::none() };
        let deferred = DeferredTrace {
            span,
            own: new_ids(),
            chosen: OnceLock::new(),
        };
        Self::new(service, journey, Kind::Deferred(Arc::new(deferred)))
    }

    /// An id alone, without a span.
    pub fn untraced(service: &'static str) -> Self {
        let id = RandomIdGenerator::default().new_trace_id();
        Self::new(service, None, Kind::Untraced(id))
    }

    /// The trace of the program `service`, which records no spans itself: its calls are part
    /// of the journey of `pass`.
    pub fn of_pass(service: &'static str, pass: &Pass) -> Self {
        Self::new(service, None, Kind::Unsampled(pass.caller()))
    }

    const fn new(service: &'static str, journey: Option<Journey>, kind: Kind) -> Self {
        Self {
            service,
            journey,
            kind,
        }
    }

    /// The context of the request's span, besides its parent.
    fn within(&self) -> Context {
        within(self.service, self.journey)
    }

    /// The journey that the request belongs to.
    pub const fn journey(&self) -> Option<Journey> {
        self.journey
    }

    /// The service that answers the request.
    pub const fn service(&self) -> &'static str {
        self.service
    }

    /// Makes the request's span the first of `login`, unless the trace is chosen
    /// already. Returns the span.
    pub fn begin(&self, login: LoginTrace) -> Span {
        self.choose(login, |span| {
            login.begin(span, self.within());
        })
    }

    /// Makes the request's span a later one of `login`, unless the trace is chosen
    /// already. Returns the span.
    pub fn join(&self, login: LoginTrace) -> Span {
        self.choose(login, |span| {
            login.join(span, &self.within(), self.journey.is_some());
        })
    }

    fn choose(&self, login: LoginTrace, place: impl FnOnce(&Span)) -> Span {
        if let Kind::Deferred(deferred) = &self.kind
            && deferred.chosen.set(login.trace_id()).is_ok()
            && !deferred.span.is_none()
        {
            place(&deferred.span);
        }
        self.span()
    }

    /// The request's span; none if the trace is not recorded. This call fixes the
    /// span's parent.
    pub fn span(&self) -> Span {
        match &self.kind {
            Kind::Sampled(span, _) => span.clone(),
            Kind::Deferred(deferred) => {
                deferred.chosen(|| self.within());
                deferred.span.clone()
            }
            Kind::Unsampled(_) | Kind::Untraced(_) => Span::none(),
        }
    }

    /// The trace id in hex. This call fixes the span's parent.
    pub fn trace_id(&self) -> String {
        let id = match &self.kind {
            Kind::Deferred(deferred) => deferred.chosen(|| self.within()),
            _ => self.id(),
        };
        let mut text = String::with_capacity(32);
        push_hex(&mut text, &id.to_bytes());
        text
    }

    /// The trace id at this moment, for a log line. This call fixes nothing.
    pub(super) fn id(&self) -> TraceId {
        match &self.kind {
            Kind::Sampled(_, trace_id) | Kind::Untraced(trace_id) => *trace_id,
            Kind::Deferred(deferred) => *deferred.chosen.get().unwrap_or(&deferred.own.0),
            Kind::Unsampled(context) => context.trace_id(),
        }
    }

    /// Runs `work` in this context and inside the request's span.
    pub async fn in_span<F: Future>(&self, work: F) -> F::Output {
        let scoped = CURRENT.scope(Some(self.clone()), work);
        scoped.instrument(self.span()).await
    }

    /// Runs `work` in this context; `work` enters the request's span itself.
    pub async fn scope<F: Future>(&self, work: F) -> F::Output {
        CURRENT.scope(Some(self.clone()), work).await
    }

    /// Runs the synchronous `work` in this context.
    pub fn sync_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(Some(self.clone()), work)
    }

    /// The span of the request that the current task works for.
    pub fn current_span() -> Span {
        let span = |context: &Option<Self>| context.as_ref().map(Self::span);
        let span = CURRENT.try_with(span).ok().flatten();
        span.unwrap_or_else(Span::none)
    }

    /// The journey of the request that the current task works for.
    pub fn current_journey() -> Option<Journey> {
        let journey = |context: &Option<Self>| context.as_ref()?.journey;
        CURRENT.try_with(journey).ok().flatten()
    }

    /// The current task's trace context.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok().flatten()
    }
}

impl DeferredTrace {
    /// The request's trace: its own, if no login was found so far.
    fn chosen(&self, within: impl FnOnce() -> Context) -> TraceId {
        *self.chosen.get_or_init(|| {
            if !self.span.is_none() {
                ids::begin(&self.span, self.own, within());
            }
            self.own.0
        })
    }
}

/// The service and the trace id that a log line of the current task carries.
pub(super) fn log_fields() -> Option<(&'static str, TraceId)> {
    let fields =
        |context: &Option<TraceContext>| context.as_ref().map(|own| (own.service, own.id()));
    CURRENT.try_with(fields).ok().flatten()
}

/// Wraps `work`, which another task will run, in the current trace context.
pub fn in_current_trace<F: Future>(work: F) -> impl Future<Output = F::Output> {
    CURRENT
        .scope(TraceContext::current(), work)
        .in_current_span()
}

fn new_ids() -> (TraceId, SpanId) {
    let random = RandomIdGenerator::default();
    (random.new_trace_id(), random.new_span_id())
}

/// `traceparent` (W3C Trace Context §3.2) and `tracestate` for outgoing calls, if
/// the current task is in an unsampled trace.
pub(super) fn unsampled() -> Option<(String, Option<String>)> {
    let headers = |context: &Option<TraceContext>| match context {
        Some(TraceContext {
            kind: Kind::Unsampled(context),
            ..
        }) => Some(headers_of(context)),
        _ => None,
    };
    CURRENT.try_with(headers).ok().flatten()
}

fn headers_of(context: &SpanContext) -> (String, Option<String>) {
    let mut parent = String::with_capacity(55);
    parent.push_str("00-");
    push_hex(&mut parent, &context.trace_id().to_bytes());
    parent.push('-');
    push_hex(&mut parent, &context.span_id().to_bytes());
    parent.push_str("-00");
    let state = context.trace_state().header();
    (parent, Some(state).filter(|state| !state.is_empty()))
}

/// Appends `bytes` in hex. Each request writes an id, and `format!` takes ten
/// times as long.
fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// The OpenTelemetry context of a service's first span, which its children inherit.
pub(super) fn within(service: &'static str, journey: Option<Journey>) -> Context {
    let context = Context::new().with_value(ServiceTag(service));
    match journey {
        Some(journey) => context.with_value(journey),
        None => context,
    }
}

/// Whether this process exports traces.
fn is_traced() -> bool {
    tracing::span_enabled!(target: "sso", Level::INFO)
}

#[cfg(test)]
#[path = "context_tests.rs"]
mod tests;
