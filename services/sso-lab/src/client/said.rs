//! What an API or the provider said, fit for a line of a terminal.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// The maximum length of another program's sentence, in characters.
const MAX_SENTENCE: usize = 200;

/// A sentence, and the trace that tells more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) sentence: String,
    pub(crate) trace_id: Option<String>,
}

impl Said {
    /// A sentence of this program.
    pub(crate) fn new(sentence: impl AsRef<str>) -> Self {
        Self {
            sentence: one_line(sentence.as_ref()),
            trace_id: None,
        }
    }

    /// The response's status, and what its problem document (RFC 9457) or OAuth error
    /// says.
    pub(crate) fn of_response(status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let member = |name: &str| body[name].as_str().filter(|text| !text.is_empty());
        let parts = ["title", "detail", "error", "error_description"];
        let parts: Vec<_> = parts.into_iter().filter_map(member).collect();
        let sentence = match parts.as_slice() {
            [] => format!("status {status}"),
            parts => format!("status {status}, {}", parts.join(": ")),
        };
        Self {
            trace_id: trace_id(headers),
            ..Self::new(sentence)
        }
    }
}

/// `Trace-Id`, by which traces and logs have the request.
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("trace-id")?.to_str().ok()?;
    let fits = id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric());
    fits.then(|| id.to_owned())
}

/// `text` without control characters, which could steer a terminal, and bounded.
pub(crate) fn one_line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(MAX_SENTENCE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9457_3_1_title_and_detail_make_the_sentence() {
        let mut headers = HeaderMap::new();
        headers.insert("trace-id", "abc1".parse().unwrap());
        let body = br#"{"title": "Not enough in stock", "detail": "7 left", "status": 409}"#;
        let said = Said::of_response(409, &headers, body);
        assert_eq!(said.sentence, "status 409, Not enough in stock: 7 left");
        assert_eq!(said.trace_id.as_deref(), Some("abc1"));
        let page = Said::of_response(502, &HeaderMap::new(), b"<html>");
        assert_eq!(page.sentence, "status 502");
    }

    #[test]
    fn nothing_that_others_say_steers_the_terminal_or_fills_it() {
        let line = one_line(&format!("a\x1b[2J\r\nb\u{9b}c{}", "x".repeat(999)));
        assert!(line.starts_with("a [2J  b c"), "{line:?}");
        assert_eq!(line.chars().count(), MAX_SENTENCE);
        let mut headers = HeaderMap::new();
        headers.insert("trace-id", "a;b".parse().unwrap());
        assert_eq!(Said::of_response(500, &headers, b"").trace_id, None);
    }
}
