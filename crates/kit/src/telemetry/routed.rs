//! Several services in one process, each with its own `service.name`: a span goes to the
//! exporter of the service whose request it belongs to, with the registry's attributes for
//! its name.

use std::time::{Duration, Instant};

use opentelemetry::{
    Context, KeyValue,
    trace::{Span as _, SpanKind, Status},
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor},
};

use super::{
    names::{FROM, OK, OUTCOME, Party, SECTION, STEP, TO, request_of, span_of},
    resource_of,
};

/// The service that a span belongs to, in the span's context. The server sets it at the
/// root, and children inherit it.
#[derive(Clone, Copy, Debug)]
pub struct ServiceTag(pub &'static str);

const KEY: &str = "sso.service";

#[derive(Debug)]
pub(super) struct Routed {
    by_service: Vec<(&'static str, BatchSpanProcessor)>,
}

impl Routed {
    pub(super) fn new(by_service: Vec<(&'static str, BatchSpanProcessor)>) -> Self {
        Self { by_service }
    }
}

impl Routed {
    /// Calls every processor, also after a failure. Returns the first failure.
    fn each(&self, act: impl Fn(&BatchSpanProcessor) -> OTelSdkResult) -> OTelSdkResult {
        self.by_service
            .iter()
            .map(|(_, processor)| act(processor))
            .fold(Ok(()), OTelSdkResult::and)
    }
}

impl SpanProcessor for Routed {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        if let Some(ServiceTag(service)) = cx.get::<ServiceTag>() {
            span.set_attribute(KeyValue::new(KEY, *service));
        }
    }

    fn on_end(&self, mut span: SpanData) {
        let tagged = text_of(&span, KEY);
        let named = |name: &str| tagged.as_deref() == Some(name);
        let home = self.by_service.iter().find(|(name, _)| named(name));
        if let Some((service, processor)) = home.or(self.by_service.first()) {
            describe(&mut span, service);
            processor.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.each(BatchSpanProcessor::force_flush)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        // They share the time.
        let end = Instant::now() + timeout;
        self.each(|processor| {
            let left = end.saturating_duration_since(Instant::now());
            processor.shutdown_with_timeout(left)
        })
    }

    fn set_resource(&mut self, _: &Resource) {
        for (service, processor) in &mut self.by_service {
            processor.set_resource(&resource_of(service));
        }
    }
}

fn text_of(span: &SpanData, key: &str) -> Option<String> {
    let mut attributes = span.attributes.iter();
    let found = attributes.find(|attribute| attribute.key.as_str() == key)?;
    Some(found.value.as_str().into_owned())
}

/// Adds the registry's attributes for the name of `span`, and derives its status from its
/// outcome.
fn describe(span: &mut SpanData, service: &'static str) {
    let step = span_of(&span.name);
    let said = match step {
        Some(step) => {
            if step.from == Party::Own && step.to != Party::Own {
                span.span_kind = SpanKind::Client;
            }
            Some((step.step, step.section, step.from, step.to))
        }
        None => request_of(service, &span.name)
            .map(|request| (request.step, request.section, request.from, Party::Own)),
    };
    let mut say = |key: &'static str, value: &'static str| {
        span.attributes.push(KeyValue::new(key, value));
    };
    if let Some((step, section, from, to)) = said {
        say(STEP, step);
        if !section.is_empty() {
            say(SECTION, section);
        }
        for (key, party) in [(FROM, from), (TO, to)] {
            if let Some(name) = party.name(service) {
                say(key, name);
            }
        }
    }
    // A correct refusal is not an error of the server.
    if step.is_some()
        && span.status == Status::Unset
        && let Some(outcome) = text_of(span, OUTCOME)
        && outcome != OK
    {
        span.status = Status::error(outcome);
    }
}
