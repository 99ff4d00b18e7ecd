//! The spans of journeys on their way to the lab, where it is in this process.

use std::{
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use opentelemetry::{Value, trace::SpanId};
use opentelemetry_sdk::trace::SpanData;

use super::names::{JOURNEY, SERVICE};
use crate::journey::JourneyTag;

/// A span as the lab receives it: from this process, or by OTLP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JourneySpan {
    /// The service that made it.
    pub service: String,
    /// Its name.
    pub name: String,
    /// The trace's id in hex.
    pub trace: String,
    /// Its id in hex.
    pub span: String,
    /// The id of its parent in hex.
    pub parent: Option<String>,
    /// Its start, in µs since 1970.
    pub start: u64,
    /// Its end, in µs since 1970.
    pub end: u64,
    /// Its attributes, as texts.
    pub attributes: Vec<(String, String)>,
}

impl JourneySpan {
    /// The value of the attribute `name`; the last one, if a repeated call set it again.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let mut all = self.attributes.iter().rev();
        all.find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The journey that it belongs to.
    pub fn journey(&self) -> Option<JourneyTag> {
        self.attribute(JOURNEY)?.parse().ok()
    }
}

/// What the lab does with a span.
type Receiver = Box<dyn Fn(JourneySpan) + Send + Sync>;

static RECEIVER: OnceLock<Receiver> = OnceLock::new();

/// Passes each span of a journey that ends in this process to `receive`, at once. The first
/// receiver stays.
pub fn deliver_to(receive: impl Fn(JourneySpan) + Send + Sync + 'static) {
    let _ = RECEIVER.set(Box::new(receive));
}

/// Passes `span` to the lab, if it is in this process.
pub(super) fn deliver(span: &SpanData) -> bool {
    let Some(receive) = RECEIVER.get() else {
        return false;
    };
    receive(JourneySpan::from(span));
    true
}

impl From<&SpanData> for JourneySpan {
    fn from(span: &SpanData) -> Self {
        let attributes = span.attributes.iter();
        let attributes: Vec<_> = attributes
            .map(|attribute| (attribute.key.to_string(), text(&attribute.value)))
            .collect();
        let service = attributes.iter().find(|(key, _)| key == SERVICE);
        let parent = span.parent_span_id;
        Self {
            service: service.map(|(_, name)| name.clone()).unwrap_or_default(),
            name: span.name.to_string(),
            trace: span.span_context.trace_id().to_string(),
            span: span.span_context.span_id().to_string(),
            parent: (parent != SpanId::INVALID).then(|| parent.to_string()),
            start: micros(span.start_time),
            end: micros(span.end_time),
            attributes,
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().into_owned()
}

fn micros(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
