//! Several services in one process, each with its own `service.name`: a span goes to the
//! exporter of the service whose request it belongs to, with the registry's attributes for
//! its name. A journey's spans also go to the lab.

use std::time::{Duration, Instant};

use opentelemetry::{
    Context, KeyValue,
    trace::{Span as _, SpanKind, Status, TraceContextExt as _},
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor},
};

use super::{
    delivery::deliver,
    names::{
        CALLER, CREDENTIAL, FROM, JOURNEY, OK, OUTCOME, Party, SECTION, SERVICE, STEP, TO,
        request_of, span_of, without_token,
    },
    resource_of,
};
use crate::journey::{Called, Journey};

/// The service that a span belongs to, in the span's context. The server sets it at the
/// root, and children inherit it.
#[derive(Clone, Copy, Debug)]
pub struct ServiceTag(pub &'static str);

/// The exporters of one service's spans.
#[derive(Debug)]
pub(super) struct Exporters {
    pub(super) service: &'static str,
    /// To the collector.
    pub(super) all: Option<BatchSpanProcessor>,
    /// To the lab, if it is another process: the spans of journeys alone.
    pub(super) journeys: Option<BatchSpanProcessor>,
}

#[derive(Debug)]
pub(super) struct Routed {
    by_service: Vec<Exporters>,
}

impl Routed {
    pub(super) fn new(by_service: Vec<Exporters>) -> Self {
        Self { by_service }
    }

    /// Calls every processor, also after a failure. Returns the first failure.
    fn each(&self, act: impl Fn(&BatchSpanProcessor) -> OTelSdkResult) -> OTelSdkResult {
        self.by_service
            .iter()
            .flat_map(|own| own.all.iter().chain(&own.journeys))
            .map(act)
            .fold(Ok(()), OTelSdkResult::and)
    }
}

impl Exporters {
    fn export(&self, span: SpanData) {
        let is_watched = span
            .attributes
            .iter()
            .any(|one| one.key.as_str() == JOURNEY);
        if is_watched
            && !deliver(&span)
            && let Some(lab) = &self.journeys
        {
            lab.on_end(span.clone());
        }
        if let Some(collector) = &self.all {
            collector.on_end(span);
        }
    }
}

impl SpanProcessor for Routed {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        if let Some(ServiceTag(service)) = cx.get::<ServiceTag>() {
            span.set_attribute(KeyValue::new(SERVICE, *service));
        }
        if let Some(journey) = cx.get::<Journey>() {
            span.set_attribute(KeyValue::new(JOURNEY, journey.tag().to_string()));
        }
        // The request's own span alone: its children have a parent in this process.
        if let Some(called) = cx.get::<Called>()
            && cx.span().span_context().is_remote()
        {
            span.set_attribute(KeyValue::new(CALLER, called.by.to_string()));
        }
    }

    fn on_end(&self, mut span: SpanData) {
        let tagged = text_of(&span, SERVICE);
        let is_home = |one: &&Exporters| tagged.as_deref() == Some(one.service);
        let home = self.by_service.iter().find(is_home);
        if let Some(home) = home.or(self.by_service.first()) {
            describe(&mut span, home.service);
            home.export(span);
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
        for own in &mut self.by_service {
            let resource = resource_of(own.service);
            for processor in own.all.iter_mut().chain(&mut own.journeys) {
                processor.set_resource(&resource);
            }
        }
    }
}

fn text_of(span: &SpanData, key: &str) -> Option<String> {
    let mut attributes = span.attributes.iter();
    let found = attributes.find(|attribute| attribute.key.as_str() == key)?;
    Some(found.value.as_str().into_owned())
}

type Said = (&'static str, &'static str, Party, Party);

/// `said` of a span, or what it is if its `sso.credential` is no access token.
fn by_credential(span: &SpanData, said: Said) -> Said {
    let credential = text_of(span, CREDENTIAL);
    let other = credential.and_then(|credential| without_token(said.0, &credential));
    other.map_or(said, |step| (step, "", said.2, said.3))
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
    let said = said.map(|said| by_credential(span, said));
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
