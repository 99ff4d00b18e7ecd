//! From a span to a step of the diagram: a pure function.

use std::collections::BTreeMap;

use kit::telemetry::{
    JourneySpan,
    names::{self, Party, span_of},
};
use serde::Serialize;
use serde_json::Value;

/// Attributes that have a member of their own in a step.
const OWN: [&str; 12] = [
    names::STEP,
    names::SECTION,
    names::FROM,
    names::TO,
    names::SERVICE,
    names::JOURNEY,
    names::CALLER,
    names::REQUEST_ITEMS,
    names::RESPONSE_ITEMS,
    names::OUTCOME,
    "sso.store_commands",
    "http.response.status_code",
];

/// The browser, as a sender.
const BROWSER: &str = "browser";

/// One step, as the page receives it.
#[derive(Debug, PartialEq, Serialize)]
#[expect(clippy::struct_field_names, reason = "the page's name of the member")]
pub(super) struct Step<'a> {
    pub(super) seq: usize,
    trace: &'a str,
    span: &'a str,
    parent: Option<&'a str>,
    start: u64,
    end: u64,
    kind: Kind,
    service: &'a str,
    from: String,
    to: String,
    name: &'a str,
    step: &'a str,
    spec: &'a str,
    outcome: &'a str,
    status: Option<u16>,
    /// Whether a script sent it, and no navigation.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    direct: bool,
    micros: u64,
    store_commands: Option<u32>,
    request: Vec<Value>,
    response: Vec<Value>,
    attributes: BTreeMap<&'a str, &'a str>,
}

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// A service answers a request.
    Request,
    /// A service calls another one.
    Call,
    /// Work inside a service.
    Check,
    /// A command to the store.
    Store,
}

/// The step number `seq`, which `span` tells of.
pub(super) fn step_of(span: &JourneySpan, seq: usize) -> Step<'_> {
    let text = |name| span.attribute(name).unwrap_or_default();
    let kind = kind(span);
    let (from, to) = parties(span, kind);
    let attributes = span.attributes.iter();
    let attributes = attributes.filter(|(name, _)| is_told(name));
    Step {
        seq,
        trace: &span.trace,
        span: &span.span,
        parent: span.parent.as_deref(),
        start: span.start,
        end: span.end,
        kind,
        service: &span.service,
        from,
        to,
        name: &span.name,
        step: text(names::STEP),
        spec: text(names::SECTION),
        outcome: text(names::OUTCOME),
        status: number(span, "http.response.status_code"),
        direct: kind == Kind::Request && span.attribute(names::CALLER) == Some(BROWSER),
        micros: span.end.saturating_sub(span.start),
        store_commands: number(span, "sso.store_commands"),
        request: items(text(names::REQUEST_ITEMS)),
        response: items(text(names::RESPONSE_ITEMS)),
        attributes: attributes
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect(),
    }
}

/// Whether the attribute is shown as it is: it is of the registry, and has no member.
fn is_told(name: &str) -> bool {
    let is_known = names::ATTRIBUTES.iter().any(|known| known.name == name);
    is_known && !OWN.contains(&name)
}

fn kind(span: &JourneySpan) -> Kind {
    match span_of(&span.name).map(|step| (step.from, step.to)) {
        None => Kind::Request,
        Some((Party::Own, Party::Store)) => Kind::Store,
        Some((Party::Own, to)) if to != Party::Own => Kind::Call,
        Some(_) => Kind::Check,
    }
}

fn parties(span: &JourneySpan, kind: Kind) -> (String, String) {
    let own = span.service.clone();
    let store = || format!("{}-store", own.strip_suffix("-bff").unwrap_or(&own));
    match kind {
        Kind::Request => (sender(span), own),
        Kind::Check if is_in_page(span) => (BROWSER.to_owned(), BROWSER.to_owned()),
        Kind::Check => (own.clone(), own),
        Kind::Store => (own.clone(), store()),
        Kind::Call => {
            let to = span.attribute(names::TO).unwrap_or("client");
            let is_app = matches!(to, "app1" | "app2");
            let to = if is_app {
                format!("{to}-bff")
            } else {
                to.to_owned()
            };
            (own, to)
        }
    }
}

/// Whether a page did it, between its requests.
fn is_in_page(span: &JourneySpan) -> bool {
    span_of(&span.name).is_some_and(|step| step.from == Party::Browser)
}

/// Who sent a request: the calling service names itself; the registry knows the others.
fn sender(span: &JourneySpan) -> String {
    let stated = span.attribute(names::CALLER).filter(|by| !by.is_empty());
    let sender = stated.or_else(|| span.attribute(names::FROM));
    let is_api = matches!(&*span.service, "api-1" | "api-2");
    sender
        .unwrap_or(if is_api { "client" } else { "browser" })
        .to_owned()
}

fn number<T: std::str::FromStr>(span: &JourneySpan, name: &str) -> Option<T> {
    span.attribute(name)?.parse().ok()
}

/// A list of items; an empty one where there is none.
fn items(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use kit::telemetry::names::span;

    use super::*;

    fn span(service: &str, name: &str, attributes: &[(&str, &str)]) -> JourneySpan {
        let attributes = attributes.iter();
        JourneySpan {
            service: service.to_owned(),
            name: name.to_owned(),
            trace: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            span: "b7ad6b7169203331".to_owned(),
            start: 1_000,
            end: 3_500,
            attributes: attributes
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..JourneySpan::default()
        }
    }

    fn ways(span: &JourneySpan) -> (Kind, String, String) {
        let step = step_of(span, 1);
        (step.kind, step.from, step.to)
    }

    #[test]
    fn each_kind_of_span_leads_between_its_parties() {
        let way = |kind, from: &str, to: &str| (kind, from.to_owned(), to.to_owned());
        for (span, expected) in [
            (
                span("app1-bff", "GET /login", &[("sso.from", "browser")]),
                way(Kind::Request, "browser", "app1-bff"),
            ),
            (
                span(
                    "idp",
                    "POST /token",
                    &[("sso.from", "client"), ("sso.caller", "app2-bff")],
                ),
                way(Kind::Request, "app2-bff", "idp"),
            ),
            (
                span("idp", "POST /token", &[("sso.from", "client")]),
                way(Kind::Request, "client", "idp"),
            ),
            (
                span("app1-bff", "GET /", &[]),
                way(Kind::Request, "browser", "app1-bff"),
            ),
            (
                span("app1-bff", span::CODE_EXCHANGE, &[("sso.to", "idp")]),
                way(Kind::Call, "app1-bff", "idp"),
            ),
            (
                span("idp", span::BACKCHANNEL_LOGOUT, &[("sso.to", "app2")]),
                way(Kind::Call, "idp", "app2-bff"),
            ),
            (
                span("app1-bff", span::ID_TOKEN_CHECK, &[]),
                way(Kind::Check, "app1-bff", "app1-bff"),
            ),
            (
                span("idp", span::CLIENT_AUTH, &[("sso.from", "client")]),
                way(Kind::Check, "idp", "idp"),
            ),
            (
                span("app2-bff", span::STORE, &[("sso.to", "store")]),
                way(Kind::Store, "app2-bff", "app2-store"),
            ),
            (
                span("spa", span::PAGE_KEY, &[("sso.from", "browser")]),
                way(Kind::Check, "browser", "browser"),
            ),
            (
                span("api-1", "GET /resource", &[("sso.caller", "browser")]),
                way(Kind::Request, "browser", "api-1"),
            ),
            (
                span("idp", span::STORE, &[("sso.to", "store")]),
                way(Kind::Store, "idp", "idp-store"),
            ),
        ] {
            assert_eq!(ways(&span), expected, "{}", span.name);
        }
    }

    #[test]
    fn a_step_tells_what_the_registry_knows_and_nothing_else() {
        let span = span(
            "app1-bff",
            "GET /callback",
            &[
                ("sso.step", "The authorization response arrives"),
                ("sso.spec", "RFC 6749 §4.1.2"),
                ("sso.journey", "00"),
                ("sso.store_commands", "4"),
                ("http.response.status_code", "303"),
                ("http.route", "/callback"),
                ("busy_ns", "1"),
                (
                    "sso.request",
                    r#"[{"place":"query","name":"code","size":43}]"#,
                ),
                ("sso.response", "not JSON"),
            ],
        );
        let step = serde_json::to_value(step_of(&span, 7)).unwrap();
        assert!(step["direct"].is_null());
        assert_eq!(step["seq"], 7);
        assert_eq!(step["kind"], "request");
        assert_eq!(step["step"], "The authorization response arrives");
        assert_eq!(step["spec"], "RFC 6749 §4.1.2");
        assert_eq!(step["status"], 303);
        assert_eq!(step["store_commands"], 4);
        assert_eq!(step["micros"], 2_500);
        assert_eq!(step["outcome"], "");
        assert!(step["parent"].is_null());
        assert_eq!(step["request"][0]["name"], "code");
        assert_eq!(step["response"], serde_json::json!([]));
        let rest = serde_json::json!({ "http.route": "/callback" });
        assert_eq!(step["attributes"], rest);
    }
}
