//! The spans of one trace, as a receiver got them, and what they must be.

use std::time::Duration;

use kit::telemetry::names::{Party, Request, request_of, span_of};
use testkit::{Otlp, SpanRecord};

/// How long spans may take to arrive on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Service and name of a span, and of the one that it is right below.
pub type Edge<'a> = ((&'a str, &'a str), (&'a str, &'a str));

/// One trace.
pub struct Trace(Vec<SpanRecord>);

impl Trace {
    /// The spans of `trace_id` among `spans`.
    pub fn of(spans: &[SpanRecord], trace_id: &str) -> Self {
        let spans = spans.iter().filter(|span| span.trace_id == trace_id);
        Self(spans.cloned().collect())
    }

    /// The trace once it has all of `edges` and nothing in it hangs on what did
    /// not arrive; a panic that says what is missing.
    pub async fn with(otlp: &Otlp, trace_id: &str, edges: &[Edge<'_>]) -> Self {
        let whole = |trace: &Self| trace.missing(edges).is_empty() && trace.orphans().len() == 1;
        let enough = |spans: &[SpanRecord]| whole(&Self::of(spans, trace_id));
        let trace = Self::of(&otlp.until(PATIENCE, enough).await, trace_id);
        assert!(
            whole(&trace),
            "missing: {:#?}\nthere is: {:#?}",
            trace.missing(edges),
            trace.lines()
        );
        trace.must_be_whole();
        trace
    }

    /// All spans.
    pub fn spans(&self) -> &[SpanRecord] {
        &self.0
    }

    fn parent(&self, span: &SpanRecord) -> Option<&SpanRecord> {
        let mut spans = self.0.iter();
        spans.find(|other| other.span_id == span.parent_span_id)
    }

    /// From the root down to `span`.
    pub fn path(&self, span: &SpanRecord) -> Vec<String> {
        let mut path = vec![format!("{} {}", span.service, span.name)];
        let mut at = span;
        while let Some(parent) = self.parent(at) {
            path.insert(0, format!("{} {}", parent.service, parent.name));
            at = parent;
        }
        path
    }

    /// A span of `service` with `name` in its own.
    pub fn find(&self, service: &str, name: &str) -> Option<&SpanRecord> {
        let mut spans = self.0.iter();
        spans.find(|span| span.service == service && span.name.contains(name))
    }

    /// The span of `service` that is called `name`.
    pub fn get(&self, service: &str, name: &str) -> &SpanRecord {
        let mut spans = self.0.iter();
        let found = spans.find(|span| span.service == service && span.name == name);
        found.unwrap_or_else(|| panic!("no {service} {name}: {:#?}", self.lines()))
    }

    fn missing<'e>(&self, edges: &'e [Edge<'e>]) -> Vec<&'e Edge<'e>> {
        let there = |(child, parent): &Edge<'_>| {
            let mut below = self.0.iter().filter(|span| is(span, *child));
            below.any(|span| self.parent(span).is_some_and(|above| is(above, *parent)))
        };
        edges.iter().filter(|edge| !there(edge)).collect()
    }

    fn orphans(&self) -> Vec<&SpanRecord> {
        let spans = self.0.iter();
        spans.filter(|span| self.parent(span).is_none()).collect()
    }

    fn lines(&self) -> Vec<String> {
        let spans = self.0.iter();
        spans.map(|span| self.path(span).join(" > ")).collect()
    }

    /// One root, and every other span has its parent here.
    pub fn must_be_whole(&self) {
        let orphans = self.orphans();
        let count = self.0.len();
        assert_eq!(orphans.len(), 1, "one root: {orphans:#?}\nof {count} spans");
        let root = orphans[0];
        assert!(
            root.parent_span_id.is_empty(),
            "a parent is missing: {root:#?}"
        );
    }

    /// Each service sends by itself, in its own time: whether all of these
    /// have, and nothing that came hangs on something that did not.
    pub fn has_arrived(&self, services: &[&str]) -> bool {
        self.services() == services && self.orphans().len() == 1
    }

    /// The services that have a part in it.
    pub fn services(&self) -> Vec<&str> {
        let mut services: Vec<_> = self.0.iter().map(|span| span.service.as_str()).collect();
        services.sort_unstable();
        services.dedup();
        services
    }

    /// Each span says what the registry says of its name: its step and section,
    /// who speaks to whom, which kind it is.
    pub fn must_be_as_registered(&self) {
        for span in &self.0 {
            let step = span_of(&span.name).map(|step| {
                let goes_out = step.from == Party::Own && step.to != Party::Own;
                let kind = if goes_out { "Client" } else { "Internal" };
                (kind, step.step, step.section, step.from, step.to)
            });
            let request = request_of(&span.service, &span.name).map(|request| {
                let Request {
                    step,
                    section,
                    from,
                    ..
                } = request;
                ("Server", *step, *section, *from, Party::Own)
            });
            let Some(said) = step.or(request) else {
                assert_eq!(span.attribute("sso.step"), None, "{span:#?}");
                continue;
            };
            let (kind, step, section, from, to) = said;
            assert_eq!(span.kind, kind, "{span:#?}");
            assert_eq!(span.attribute("sso.step"), Some(step), "{span:#?}");
            let section = Some(section).filter(|section| !section.is_empty());
            assert_eq!(span.attribute("sso.spec"), section, "{span:#?}");
            for (key, party) in [("sso.from", from), ("sso.to", to)] {
                let said = span.attribute(key);
                match party {
                    Party::Own => assert_eq!(said, Some(&*span.service), "{span:#?}"),
                    Party::Said => assert!(said.is_some(), "{span:#?}"),
                    other => assert_eq!(said, other.name(""), "{span:#?}"),
                }
            }
        }
    }

    /// What the span of `service` called `name` says of itself.
    pub fn says(&self, service: &str, name: &str, attributes: &[(&str, &str)]) {
        let span = self.get(service, name);
        for (key, value) in attributes {
            assert_eq!(span.attribute(key), Some(*value), "{key} of {span:#?}");
        }
    }
}

fn is(span: &SpanRecord, (service, name): (&str, &str)) -> bool {
    span.service == service && span.name == name
}
