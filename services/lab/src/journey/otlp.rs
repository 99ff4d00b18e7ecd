//! Spans as they arrive by OTLP over HTTP, in protobuf.

use kit::telemetry::{JourneySpan, names::SERVICE};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message as _;

/// The spans of one export.
pub(super) fn spans(body: &[u8]) -> Result<Vec<JourneySpan>, prost::DecodeError> {
    let export = ExportTraceServiceRequest::decode(body)?;
    let of_resources = export.resource_spans.into_iter();
    let of_scopes = of_resources.flat_map(|resource| resource.scope_spans);
    let spans = of_scopes.flat_map(|scope| scope.spans);
    Ok(spans.map(span).collect())
}

/// The answer to an export that was accepted.
pub(super) fn accepted() -> Vec<u8> {
    ExportTraceServiceResponse::default().encode_to_vec()
}

fn span(span: Span) -> JourneySpan {
    let attributes: Vec<_> = span.attributes.into_iter().map(attribute).collect();
    let service = attributes.iter().find(|(name, _)| name == SERVICE);
    let parent = &span.parent_span_id;
    JourneySpan {
        service: service.map(|(_, name)| name.clone()).unwrap_or_default(),
        name: span.name,
        trace: hex(&span.trace_id),
        span: hex(&span.span_id),
        parent: (!parent.is_empty()).then(|| hex(parent)),
        start: span.start_time_unix_nano / 1_000,
        end: span.end_time_unix_nano / 1_000,
        attributes,
    }
}

fn attribute(attribute: KeyValue) -> (String, String) {
    (attribute.key, text(attribute.value))
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::BoolValue(truth)) => truth.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        // The registry has no lists and no bytes.
        _ => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

    use super::*;

    #[test]
    fn a_span_by_otlp_is_the_same_as_in_memory() {
        let value = |value| Some(AnyValue { value: Some(value) });
        let attribute = |key: &str, one| KeyValue {
            key: key.to_owned(),
            value: value(one),
            ..KeyValue::default()
        };
        let sent = Span {
            trace_id: vec![7; 16],
            span_id: vec![1; 8],
            name: "GET /login".to_owned(),
            start_time_unix_nano: 1_000_999,
            end_time_unix_nano: 3_000_000,
            attributes: vec![
                attribute("sso.service", Value::StringValue("idp".to_owned())),
                attribute("http.response.status_code", Value::IntValue(302)),
            ],
            ..Span::default()
        };
        let export = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![ScopeSpans {
                    spans: vec![sent],
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        };
        let found = spans(&export.encode_to_vec()).unwrap();
        let expected = JourneySpan {
            service: "idp".to_owned(),
            name: "GET /login".to_owned(),
            trace: "07".repeat(16),
            span: "01".repeat(8),
            parent: None,
            start: 1_000,
            end: 3_000,
            attributes: vec![
                ("sso.service".to_owned(), "idp".to_owned()),
                ("http.response.status_code".to_owned(), "302".to_owned()),
            ],
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn what_is_no_export_is_refused() {
        assert!(spans(b"\xff\xff\xff").is_err());
        assert_eq!(spans(b"").unwrap(), []);
    }
}
