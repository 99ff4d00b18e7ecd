//! Error codes of the provider in log lines: what has not the form of a code
//! (RFC 6749 §4.1.2.1, §5.2) could forge a line.

use super::*;
use crate::log_lines::LogLines;

/// Values of `error` that are no code.
fn malformed() -> [String; 4] {
    [
        "x\nINFO forged: a user signed in".to_owned(),
        "x\r\u{1b}[31mforged\u{2028}".to_owned(),
        format!("forged {}", "y".repeat(5000)),
        "forged \"quoted\" \u{202e}".to_owned(),
    ]
}

/// Asserts that one line tells of the failure, as `said`, and none is forged, endless or
/// has a character that a terminal obeys.
fn assert_harmless(lines: &LogLines, said: &str) {
    let text = lines.text();
    assert!(text.contains(said), "{said}: {text}");
    for line in text.split_terminator('\n') {
        let is_ours = [" INFO bff_kit::", " WARN bff_kit::"];
        assert!(
            is_ours.iter().any(|begin| line.starts_with(begin)),
            "{text}"
        );
        assert!(line.len() < 500, "{text}");
    }
    let obeyed = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{2028}' | '\u{202e}');
    assert!(!text.contains(obeyed), "{text:?}");
}

#[actix_web::test]
async fn rfc6749_4_1_2_1_a_malformed_error_in_a_redirect_reaches_no_log_line_raw() {
    let flow = flow(RequestBy::Url);
    for error in malformed() {
        let begun = flow.begin("").await;
        let state = &begun.params["state"];
        let encoded: String = url::form_urlencoded::byte_serialize(error.as_bytes()).collect();
        let iss = "http%3A%2F%2Fidp.localhost%3A8081";
        let lines = LogLines::keep();
        let seen = flow
            .answer(&begun, &format!("error={encoded}&state={state}&iss={iss}"))
            .await;
        assert_eq!(seen.status, StatusCode::BAD_GATEWAY, "{}", seen.body);
        assert_harmless(&lines, "a login did not end in a session");
    }
}

#[actix_web::test]
async fn rfc6749_5_2_a_malformed_error_in_a_token_answer_reaches_no_log_line() {
    let flow = flow(RequestBy::Url);
    for (error, status) in malformed()
        .into_iter()
        .flat_map(|error| [(error.clone(), 200), (error, 400)])
    {
        *flow.idp.status.lock() = status;
        *flow.idp.answer.lock() = json!({ "access_token": null, "error": error });
        let begun = flow.begin("").await;
        let lines = LogLines::keep();
        let seen = flow.good_answer(&begun).await;
        assert_eq!(seen.status, StatusCode::BAD_GATEWAY, "{status}");
        assert_harmless(&lines, "its error code has not the form of one");
        for part in ["forged", "signed in"] {
            assert!(!lines.text().contains(part), "{}", lines.text());
        }
    }
}
