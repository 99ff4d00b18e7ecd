//! Tests of `context`.

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
    let context = TraceContext::child("api-1", caller(&unsampled), None, no_span);
    assert_eq!(context.trace_id(), CALLER[3..35]);
    context
        .in_span(async {
            assert_eq!(sent(), Some(unsampled));
            assert!(crate::step!("a step").is_none());
            let task = tokio::spawn(in_current_trace(async { sent() }));
            assert_eq!(task.await.unwrap(), sent(), "a task of its own too");
        })
        .await;
    assert_eq!(sent(), None);
}

#[tokio::test]
async fn where_nothing_is_traced_nothing_is_sent_and_each_request_has_an_id() {
    let sampled = format!("{CALLER}-01");
    let called = TraceContext::child("api-1", caller(&sampled), None, no_span);
    assert_eq!(called.trace_id(), CALLER[3..35]);
    let first = TraceContext::root("api-1", None, no_span);
    assert_ne!(first.trace_id(), TraceId::INVALID.to_string());
    first.in_span(async { assert_eq!(sent(), None) }).await;
}

#[test]
fn a_sampled_caller_has_a_span_below_its_own() {
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry());
    let sampled = format!("{CALLER}-01");
    let span = || tracing::info_span!(target: "sso", "request");
    let context = TraceContext::child("api-1", caller(&sampled), None, span);
    assert!(!context.span().is_none());
    assert_eq!(context.trace_id(), CALLER[3..35]);
}

#[test]
fn a_login_has_one_id_where_nothing_is_traced_too() {
    let login = LoginTrace::of_state("S555");
    let contexts = [
        TraceContext::deferred("app1-bff", None, no_span),
        TraceContext::deferred("idp", None, no_span),
    ];
    let before = contexts[1].id();
    assert!(contexts[0].begin(login).is_none());
    assert!(contexts[1].join(login).is_none());
    assert_eq!(contexts[0].trace_id(), contexts[1].trace_id());
    assert_ne!(contexts[1].id(), before);
}

#[test]
fn a_request_that_is_part_of_no_login_keeps_the_id_of_its_log_lines() {
    for traced in [false, true] {
        let _guard =
            traced.then(|| tracing::subscriber::set_default(tracing_subscriber::registry()));
        let span = || tracing::info_span!(target: "sso", "request");
        let context = TraceContext::deferred("idp", None, span);
        let said = context.id();
        assert_eq!(context.trace_id(), said.to_string());
        // Too late to be another's.
        context.join(LoginTrace::of_state("S555"));
        assert_eq!(context.id(), said);
    }
}

#[tokio::test]
async fn a_log_line_of_a_request_has_its_trace_and_its_service() {
    let context = TraceContext::untraced("api-1");
    assert_eq!(log_fields(), None);
    let said = context.scope(async { log_fields() }).await;
    assert_eq!(said, Some(("api-1", context.id())));
    assert_eq!(context.sync_scope(log_fields), said);
}
