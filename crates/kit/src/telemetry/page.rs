//! What a page did between its requests, as spans of the service that served the page. The
//! page says when it did it, so these spans are made with their times.

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use opentelemetry::{
    KeyValue,
    trace::{Span as _, SpanContext, TraceContextExt as _, Tracer as _},
};
use opentelemetry_sdk::trace::SdkTracer;

use super::{context::within, names::OUTCOME};
use crate::journey::Called;

/// What makes them, where the process is part of a lab.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// From now on pages may report to this process.
pub(super) fn start(tracer: SdkTracer) {
    // A second start of telemetry fails before.
    let _ = TRACER.set(tracer);
}

/// One thing that a page did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageStep {
    /// Its name in the registry.
    pub name: &'static str,
    /// When it began.
    pub start: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// Its outcome, if the registry has one for it.
    pub outcome: Option<&'static str>,
}

/// Makes a span of `step`, which `page`, a page of `service`, did after the span `after`.
pub fn record(service: &'static str, after: &SpanContext, page: &Called, step: PageStep) {
    let Some(tracer) = TRACER.get() else {
        return;
    };
    let parent = within(service, Some(page.journey)).with_remote_span_context(after.clone());
    let outcome = step.outcome.map(|outcome| KeyValue::new(OUTCOME, outcome));
    let builder = tracer
        .span_builder(step.name)
        .with_start_time(step.start)
        .with_attributes(outcome);
    let mut span = builder.start_with_context(tracer, &parent);
    span.end_with_timestamp(step.start + step.took);
}
