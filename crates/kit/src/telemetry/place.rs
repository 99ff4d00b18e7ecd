//! Head sampling: whether a trace is kept is decided where it begins, before
//! anything of it is made. In one that is not, a request has no span and no
//! steps; whom it calls is told so (`traceparent` with its flag off), and so
//! nobody keeps a part of it.

use std::sync::{Arc, OnceLock};

use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};
use tracing::{Instrument as _, Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{ServiceTag, ids, is_sampled, journey::Journey};

tokio::task_local! {
    static CURRENT: Option<Place>;
}

/// A request's place in its trace.
#[derive(Clone, Debug)]
pub struct Place {
    service: &'static str,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// This span's.
    Spanned(Span, TraceId),
    /// The handler says where, once it knows the journey.
    Journey(Arc<Traveller>),
    /// In a trace that is not kept.
    Unsampled(SpanContext),
    /// Nothing is traced in this process. The id is for people.
    Untraced(TraceId),
}

/// A request that may be one of a journey's.
#[derive(Debug)]
struct Traveller {
    /// None where nothing is traced.
    span: Span,
    /// The ids that it has where no journey is found.
    own: (TraceId, SpanId),
    /// Its trace, once that is settled.
    settled: OnceLock<TraceId>,
}

impl Place {
    /// The first of a trace that begins here; `span` makes the request's span,
    /// where there is to be one.
    pub fn first(service: &'static str, span: impl FnOnce() -> Span) -> Self {
        if !is_traced() {
            return Self::untraced(service);
        }
        let (trace_id, span_id) = new_ids();
        if !is_sampled(trace_id) {
            let flags = TraceFlags::NOT_SAMPLED;
            let context = SpanContext::new(trace_id, span_id, flags, false, TraceState::NONE);
            return Self::of(service, Kind::Unsampled(context));
        }
        let span = span();
        ids::begin(&span, (trace_id, span_id), of_service(service));
        Self::of(service, Kind::Spanned(span, trace_id))
    }

    /// Below the caller's span ([`caller`](super::caller())); the first where
    /// there is none.
    pub fn called(
        service: &'static str,
        caller: Option<SpanContext>,
        span: impl FnOnce() -> Span,
    ) -> Self {
        let Some(context) = caller else {
            return Self::first(service, span);
        };
        let trace_id = context.trace_id();
        if !is_traced() {
            return Self::of(service, Kind::Untraced(trace_id));
        }
        if !context.is_sampled() {
            return Self::of(service, Kind::Unsampled(context));
        }
        let span = span();
        let caller = Context::new().with_remote_span_context(context);
        let _ = span.set_parent(caller.with_value(ServiceTag(service)));
        Self::of(service, Kind::Spanned(span, trace_id))
    }

    /// Where the handler says, once it knows the journey ([`Place::begin`],
    /// [`Place::join`]).
    pub fn of_journey(service: &'static str, span: impl FnOnce() -> Span) -> Self {
        let span = if is_traced() { span() } else { Span::none() };
        let traveller = Traveller {
            span,
            own: new_ids(),
            settled: OnceLock::new(),
        };
        Self::of(service, Kind::Journey(Arc::new(traveller)))
    }

    /// Nobody's: an id and no more.
    pub fn untraced(service: &'static str) -> Self {
        let id = RandomIdGenerator::default().new_trace_id();
        Self::of(service, Kind::Untraced(id))
    }

    const fn of(service: &'static str, kind: Kind) -> Self {
        Self { service, kind }
    }

    /// The service whose request it is.
    pub const fn service(&self) -> &'static str {
        self.service
    }

    /// Makes it the first of `journey`, unless it is settled already; its span.
    pub fn begin(&self, journey: Journey) -> Span {
        self.settle(journey, |span| {
            journey.begin(span, of_service(self.service));
        })
    }

    /// Makes it a later one of `journey`, unless it is settled already; its span.
    pub fn join(&self, journey: Journey) -> Span {
        self.settle(journey, |span| {
            journey.join(span, &of_service(self.service));
        })
    }

    fn settle(&self, journey: Journey, place: impl FnOnce(&Span)) -> Span {
        if let Kind::Journey(traveller) = &self.kind
            && traveller.settled.set(journey.trace_id()).is_ok()
            && !traveller.span.is_none()
        {
            place(&traveller.span);
        }
        self.span()
    }

    /// The request's span; none where nothing keeps it. From here on its parent
    /// is fixed.
    pub fn span(&self) -> Span {
        match &self.kind {
            Kind::Spanned(span, _) => span.clone(),
            Kind::Journey(traveller) => {
                traveller.settled(self.service);
                traveller.span.clone()
            }
            Kind::Unsampled(_) | Kind::Untraced(_) => Span::none(),
        }
    }

    /// The trace's id in hex. From here on a span's parent is fixed.
    pub fn trace_id(&self) -> String {
        let id = match &self.kind {
            Kind::Journey(traveller) => traveller.settled(self.service),
            _ => self.id(),
        };
        let mut text = String::with_capacity(32);
        push_hex(&mut text, &id.to_bytes());
        text
    }

    /// The trace's id as it is now, for a log line: nothing is fixed by it.
    pub(super) fn id(&self) -> TraceId {
        match &self.kind {
            Kind::Spanned(_, trace_id) | Kind::Untraced(trace_id) => *trace_id,
            Kind::Journey(traveller) => *traveller.settled.get().unwrap_or(&traveller.own.0),
            Kind::Unsampled(context) => context.trace_id(),
        }
    }

    /// Runs `work` there: its steps and calls belong to the trace.
    pub async fn around<F: Future>(&self, work: F) -> F::Output {
        let placed = CURRENT.scope(Some(self.clone()), work);
        placed.instrument(self.span()).await
    }

    /// Runs `work`, which enters the request's span itself.
    pub async fn within<F: Future>(&self, work: F) -> F::Output {
        CURRENT.scope(Some(self.clone()), work).await
    }

    /// Runs `work`, which does not wait for anything: its log lines are the request's.
    pub fn scope<T>(&self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(Some(self.clone()), work)
    }

    /// The span of the request that the current task works for.
    pub fn current_span() -> Span {
        let span = |place: &Option<Self>| place.as_ref().map(Self::span);
        let span = CURRENT.try_with(span).ok().flatten();
        span.unwrap_or_else(Span::none)
    }

    /// Where the current task is.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok().flatten()
    }
}

impl Traveller {
    /// Its trace: its own, where no journey was found so far.
    fn settled(&self, service: &'static str) -> TraceId {
        *self.settled.get_or_init(|| {
            if !self.span.is_none() {
                ids::begin(&self.span, self.own, of_service(service));
            }
            self.own.0
        })
    }
}

/// What a log line says of the request that the current task works for: the
/// service and the trace's id.
pub(super) fn of_log_line() -> Option<(&'static str, TraceId)> {
    let said = |place: &Option<Place>| place.as_ref().map(|place| (place.service, place.id()));
    CURRENT.try_with(said).ok().flatten()
}

/// `work` in the place of who makes it, for a task of its own.
pub fn in_place<F: Future>(work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(Place::current(), work).in_current_span()
}

fn new_ids() -> (TraceId, SpanId) {
    let random = RandomIdGenerator::default();
    (random.new_trace_id(), random.new_span_id())
}

/// What others are told of the trace that the current task is in without a
/// span: `traceparent` (W3C Trace Context §3.2) and `tracestate`.
pub(super) fn unsampled() -> Option<(String, Option<String>)> {
    let told = |place: &Option<Place>| match place {
        Some(Place {
            kind: Kind::Unsampled(context),
            ..
        }) => Some(told(context)),
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

    fn caller(traceparent: &str) -> Option<SpanContext> {
        super::super::caller([traceparent.as_bytes()].into_iter(), std::iter::empty())
    }

    fn no_span() -> Span {
        panic!("a span is made")
    }

    fn sent() -> Option<String> {
        let mut headers = http::HeaderMap::new();
        crate::telemetry::propagation::inject(&mut headers);
        let sent = headers.get("traceparent")?;
        Some(sent.to_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn w3c_trace_context_an_unsampled_caller_makes_no_span_and_its_flag_goes_on() {
        let subscriber = tracing_subscriber::registry();
        let _guard = tracing::subscriber::set_default(subscriber);
        let unsampled = format!("{CALLER}-00");
        let place = Place::called("api-1", caller(&unsampled), no_span);
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
        let called = Place::called("api-1", caller(&sampled), no_span);
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
        let place = Place::called("api-1", caller(&sampled), span);
        assert!(!place.span().is_none());
        assert_eq!(place.trace_id(), CALLER[3..35]);
    }

    #[test]
    fn a_login_has_one_id_where_nothing_is_traced_too() {
        let journey = Journey::of_state("S555");
        let places = [
            Place::of_journey("app1-bff", no_span),
            Place::of_journey("idp", no_span),
        ];
        let before = places[1].id();
        assert!(places[0].begin(journey).is_none());
        assert!(places[1].join(journey).is_none());
        assert_eq!(places[0].trace_id(), places[1].trace_id());
        assert_ne!(places[1].id(), before);
    }

    #[test]
    fn a_request_that_finds_no_journey_keeps_the_id_of_its_log_lines() {
        for traced in [false, true] {
            let _guard =
                traced.then(|| tracing::subscriber::set_default(tracing_subscriber::registry()));
            let span = || tracing::info_span!(target: "sso", "request");
            let place = Place::of_journey("idp", span);
            let said = place.id();
            assert_eq!(place.trace_id(), said.to_string());
            // Too late to be another's.
            place.join(Journey::of_state("S555"));
            assert_eq!(place.id(), said);
        }
    }

    #[tokio::test]
    async fn a_log_line_of_a_request_has_its_trace_and_its_service() {
        let place = Place::untraced("api-1");
        assert_eq!(of_log_line(), None);
        let said = place.within(async { of_log_line() }).await;
        assert_eq!(said, Some(("api-1", place.id())));
        assert_eq!(place.scope(of_log_line), said);
    }
}
