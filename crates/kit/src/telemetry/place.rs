//! Head sampling: whether a trace is kept is decided where it begins, before
//! anything of it is made. In one that is not, a request has no span and no
//! steps; whom it calls is told so (`traceparent` with its flag off), and so
//! nobody keeps a part of it.

use opentelemetry::{
    Context,
    trace::{SpanContext, TraceContextExt as _, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};
use tracing::{Instrument as _, Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{ServiceTag, ids, is_sampled, propagation};

tokio::task_local! {
    static CURRENT: Option<Place>;
}

/// A request's place in its trace.
#[derive(Clone, Debug)]
pub enum Place {
    /// This span's.
    Spanned(Span),
    /// In a trace that is not kept.
    Unsampled(SpanContext),
    /// Nothing is traced in this process. The id is for people.
    Untraced(TraceId),
}

impl Place {
    /// The first of a trace that begins here; `span` makes the request's span,
    /// where there is to be one.
    pub fn first(service: &'static str, span: impl FnOnce() -> Span) -> Self {
        if !is_traced() {
            return Self::untraced();
        }
        let random = RandomIdGenerator::default();
        let (trace_id, span_id) = (random.new_trace_id(), random.new_span_id());
        if !is_sampled(trace_id) {
            let flags = TraceFlags::NOT_SAMPLED;
            let context = SpanContext::new(trace_id, span_id, flags, false, TraceState::NONE);
            return Self::Unsampled(context);
        }
        let span = span();
        ids::begin(&span, (trace_id, span_id), of_service(service));
        Self::Spanned(span)
    }

    /// Below the caller's span, by the two headers of W3C Trace Context; the
    /// first where they name none.
    pub fn called(
        service: &'static str,
        (traceparent, tracestate): (Option<&str>, Option<&str>),
        span: impl FnOnce() -> Span,
    ) -> Self {
        let caller = propagation::extract(traceparent, tracestate);
        let context = caller.span().span_context().clone();
        if !context.is_valid() {
            return Self::first(service, span);
        }
        if !is_traced() {
            return Self::Untraced(context.trace_id());
        }
        if !context.is_sampled() {
            return Self::Unsampled(context);
        }
        let span = span();
        let _ = span.set_parent(caller.with_value(ServiceTag(service)));
        Self::Spanned(span)
    }

    /// Where the handler says, once it knows the journey.
    pub fn of_journey(service: &'static str, span: impl FnOnce() -> Span) -> Self {
        if !is_traced() {
            return Self::untraced();
        }
        let span = span();
        let _ = span.set_parent(of_service(service));
        Self::Spanned(span)
    }

    /// Nobody's: an id and no more.
    pub fn untraced() -> Self {
        Self::Untraced(RandomIdGenerator::default().new_trace_id())
    }

    /// The request's span; none where nothing keeps it.
    pub fn span(&self) -> Span {
        match self {
            Self::Spanned(span) => span.clone(),
            Self::Unsampled(_) | Self::Untraced(_) => Span::none(),
        }
    }

    /// The trace's id in hex. From here on a span's parent is fixed.
    pub fn trace_id(&self) -> String {
        let id = match self {
            Self::Spanned(span) => span.context().span().span_context().trace_id(),
            Self::Unsampled(context) => context.trace_id(),
            Self::Untraced(trace_id) => *trace_id,
        };
        let mut text = String::with_capacity(32);
        push_hex(&mut text, &id.to_bytes());
        text
    }

    /// Runs `work` there: its steps and calls belong to the trace.
    pub async fn around<F: Future>(&self, work: F) -> F::Output {
        let placed = CURRENT.scope(Some(self.clone()), work);
        placed.instrument(self.span()).await
    }

    /// Where the current task is.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok().flatten()
    }
}

/// `work` in the place of who makes it, for a task of its own.
pub fn in_place<F: Future>(work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(Place::current(), work).in_current_span()
}

/// What others are told of the trace that the current task is in without a
/// span: `traceparent` (W3C Trace Context §3.2) and `tracestate`.
pub(super) fn unsampled() -> Option<(String, Option<String>)> {
    let told = |place: &Option<Place>| match place {
        Some(Place::Unsampled(context)) => Some(told(context)),
        _ => None,
    };
    CURRENT.try_with(told).ok().flatten()
}

fn told(context: &SpanContext) -> (String, Option<String>) {
    let mut parent = String::with_capacity(55);
    parent.push_str("00-");
    push_hex(&mut parent, &context.trace_id().to_bytes());
    parent.push('-');
    push_hex(&mut parent, &context.span_id().to_bytes());
    parent.push_str("-00");
    let state = context.trace_state().header();
    (parent, Some(state).filter(|state| !state.is_empty()))
}

/// Each call has an id to write: `format!` takes ten times as long.
fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// What the context of a service's first span holds.
pub fn of_service(service: &'static str) -> Context {
    Context::new().with_value(ServiceTag(service))
}

/// Whether spans go anywhere.
fn is_traced() -> bool {
    tracing::span_enabled!(target: "sso", Level::INFO)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

    fn no_span() -> Span {
        panic!("a span is made")
    }

    fn sent() -> Option<String> {
        let mut headers = http::HeaderMap::new();
        propagation::inject(&mut headers);
        let sent = headers.get("traceparent")?;
        Some(sent.to_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn w3c_trace_context_an_unsampled_caller_makes_no_span_and_its_flag_goes_on() {
        let subscriber = tracing_subscriber::registry();
        let _guard = tracing::subscriber::set_default(subscriber);
        let unsampled = format!("{CALLER}-00");
        let place = Place::called("api-1", (Some(&unsampled), None), no_span);
        assert_eq!(place.trace_id(), CALLER[3..35]);
        place
            .around(async {
                assert_eq!(sent(), Some(unsampled));
                assert!(crate::step!("a step").is_none());
                let task = tokio::spawn(in_place(async { sent() }));
                assert_eq!(task.await.unwrap(), sent(), "a task of its own too");
            })
            .await;
        assert_eq!(sent(), None);
    }

    #[tokio::test]
    async fn where_nothing_is_traced_nothing_is_sent_and_each_request_has_an_id() {
        let sampled = format!("{CALLER}-01");
        let called = Place::called("api-1", (Some(&sampled), None), no_span);
        assert_eq!(called.trace_id(), CALLER[3..35]);
        let first = Place::first("api-1", no_span);
        assert_ne!(first.trace_id(), TraceId::INVALID.to_string());
        first.around(async { assert_eq!(sent(), None) }).await;
    }

    #[test]
    fn a_sampled_caller_has_a_span_below_its_own() {
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry());
        let sampled = format!("{CALLER}-01");
        let span = || tracing::info_span!(target: "sso", "request");
        let place = Place::called("api-1", (Some(&sampled), None), span);
        assert!(matches!(place, Place::Spanned(span) if !span.is_none()));
    }
}
