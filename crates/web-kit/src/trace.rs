//! The request's own span, and where its trace begins.

use actix_web::{HttpMessage as _, HttpRequest, http::Method};
use kit::telemetry::{journey::Journey, place::Place};
use tracing::Span;

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

/// A journey's request keeps its place, for the handler to enter. Others run in theirs.
#[derive(Clone)]
pub(crate) struct RequestTrace(pub(crate) Place);

/// Makes the request's span the first of the journey that `state` names. Run
/// the rest of the handler in it.
pub fn begin_journey(req: &HttpRequest, state: &str) -> Span {
    let place = place_of(req);
    place.map_or_else(Span::none, |place| place.begin(Journey::of_state(state)))
}

/// Makes the request's span a later one of the journey that `state` names.
/// Run the rest of the handler in it.
pub fn join_journey(req: &HttpRequest, state: &str) -> Span {
    let place = place_of(req);
    place.map_or_else(Span::none, |place| place.join(Journey::of_state(state)))
}

/// The id of the request's trace, for a page that says what happened. Ask
/// after `begin_journey` or `join_journey`, not before.
pub fn id_of(req: &HttpRequest) -> String {
    place_of(req)
        .map(|place| place.trace_id())
        .unwrap_or_default()
}

/// The request's span as it is: where it belongs to no journey so far, it never will.
pub fn span_of(req: &HttpRequest) -> Span {
    let extensions = req.extensions();
    let own = extensions.get::<RequestTrace>();
    own.map_or_else(Place::current_span, |trace| trace.0.span())
}

fn place_of(req: &HttpRequest) -> Option<Place> {
    let extensions = req.extensions();
    let own = extensions.get::<RequestTrace>();
    own.map(|trace| trace.0.clone()).or_else(Place::current)
}
