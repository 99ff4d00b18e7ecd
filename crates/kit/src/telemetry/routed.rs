//! Several services in one process, each with its own `service.name`: a span
//! goes to the exporter of the service whose request it belongs to.

use std::time::{Duration, Instant};

use opentelemetry::{Context, KeyValue, trace::Span as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor},
};

use super::resource_of;

/// In a span's context: the service that it belongs to. The server's frame
/// sets it at the root, and children inherit it.
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
    /// All of them, also after a failure; the first failure.
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

    fn on_end(&self, span: SpanData) {
        let tagged = span
            .attributes
            .iter()
            .find(|attribute| attribute.key.as_str() == KEY);
        let service = tagged.map(|attribute| attribute.value.as_str());
        let named = |name: &str| service.as_deref() == Some(name);
        let home = self.by_service.iter().find(|(name, _)| named(name));
        if let Some((_, processor)) = home.or(self.by_service.first()) {
            processor.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.each(BatchSpanProcessor::force_flush)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        // The time is all of theirs together.
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
