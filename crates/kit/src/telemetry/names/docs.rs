//! `docs/telemetry.md`, out of the registry.

use std::fmt::Write as _;

use super::{ATTRIBUTES, Kind, METRICS, Metric, REQUESTS, SPANS};

const HEAD: &str = "# Telemetry

<!-- Made from the registry in crates/kit/src/telemetry/names by `scripts/docs telemetry`. Change that, not this. -->

What a deployment tells about itself: every span, attribute and metric there is. No token, code, secret or cookie is in any of it, and no user in a metric. [jaeger.md](jaeger.md) shows how to read traces, [operations.md](operations.md) what to do when an alert fires.

## Settings

| variable | what it does |
|---|---|
| `OTEL_EXPORTER_OTLP_ENDPOINT` | sends spans there; nothing is traced without it. `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` wins over it. `http://` or `https://`, which trusts the system's authorities and those of `CA_FILE`; names below `localhost` are loopback |
| `OTEL_EXPORTER_OTLP_PROTOCOL` | `grpc` (the default) or `http/protobuf` |
| `OTEL_EXPORTER_OTLP_HEADERS` | `name=value,…` for the collector, values percent-encoded |
| `OTEL_EXPORTER_OTLP_TIMEOUT` | how long a batch may take, in milliseconds (10000) |
| `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` | `parentbased_traceidratio` and `0.01` keep one trace in a hundred; the others cost nothing |
| `OTEL_METRICS_EXPORTER` | `prometheus` (the default: `/metrics` alone), `otlp` (sent to the endpoint too, every `OTEL_METRIC_EXPORT_INTERVAL` ms), `none` (the same as `prometheus`: `/metrics` is always there) |
| `OTEL_SDK_DISABLED` | `true`: nothing is sent |
| `LOG_FORMAT` | `json`: one object a line. Each line of a request has its `trace_id` and its `service`, sampled or not |

A variable that says nothing that can be done (a misspelt sampler, a ratio above 1, an address without `http://`) is refused at the start with its name, exit code 2. A collector that takes nothing holds nobody up: the log says `telemetry goes nowhere` with the address and the error, once and then every ten minutes, and `sso_telemetry_exports_total` counts what was lost.

Each answer says its trace in the header `Trace-Id`. A login is one trace, from `/login` through the provider's form to `/callback`; between services W3C Trace Context is taken over, from browsers never.

";

/// The whole page.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("## Steps of a request\n\nEach of these spans also has `sso.step`, `sso.spec`, `sso.from` and `sso.to`: the columns of this table.\n\n| span | step | section | from → to | attributes |\n|---|---|---|---|---|\n");
    for span in SPANS {
        let (from, to) = (span.from.in_words(), span.to.in_words());
        let way = if from == to {
            from.to_owned()
        } else {
            format!("{from} → {to}")
        };
        let attributes = ticked(span.attributes);
        row(
            &mut page,
            &[
                &format!("`{}`", span.name),
                span.step,
                span.section,
                &way,
                &attributes,
            ],
        );
    }
    page.push_str("\n## Requests\n\nThe span of a request is its server's: `METHOD /route` with `http.*`, or `service/method` with `rpc.*`; an app's has `sso.store_commands`, an API's has `sso.outcome` where the access token was good but did not allow the call. Those that are a step of the protocol also have `sso.step`, `sso.spec`, `sso.from` and `sso.to` (the service itself).\n\n| service | span | step | section | from |\n|---|---|---|---|---|\n");
    for request in REQUESTS {
        row(
            &mut page,
            &[
                &request.services.join(", "),
                &format!("`{}`", request.name),
                request.step,
                request.section,
                request.from.in_words(),
            ],
        );
    }
    page.push_str("\n## Attributes\n\n| attribute | what it says |\n|---|---|\n");
    for attribute in ATTRIBUTES {
        row(
            &mut page,
            &[&format!("`{}`", attribute.name), attribute.what],
        );
    }
    page.push_str("\n## Metrics\n\nBy their names in `/metrics`; over OTLP they have the names in the last column. Labels are written with `_` for `.` in `/metrics`.\n\n| metric | kind | what it says | labels | services | OTLP |\n|---|---|---|---|---|---|\n");
    for metric in METRICS {
        row(
            &mut page,
            &[
                &format!("`{}`", metric.prometheus()),
                kind(metric),
                metric.what,
                &labels(metric),
                &services(metric),
                &format!("`{}`", metric.name),
            ],
        );
    }
    page.push_str("\nA signing key's age is what its file says: a line `Created: <seconds since 1970>` before the PEM block (RFC 7468 §5.2 calls it explanatory text, and every reader skips it). The provider writes it where it makes a key. A file's own time says nothing where it is mounted from a Secret, so a key without the line has no age.\n\n`sso_sessions_active` is the provider's: apps keep their sessions by user, and to count them all would be a walk through the store.\n");
    page
}

fn row(page: &mut String, cells: &[&str]) {
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

fn ticked(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

const fn kind(metric: &Metric) -> &'static str {
    match metric.kind {
        Kind::Counter => "counter",
        Kind::Histogram(_) => "histogram",
        Kind::Gauge => "gauge",
    }
}

fn labels(metric: &Metric) -> String {
    let labels = metric.labels.iter().map(|label| {
        if label.values.is_empty() {
            format!("`{}`", label.name)
        } else {
            format!("`{}` ({})", label.name, label.values.join(", "))
        }
    });
    labels.collect::<Vec<_>>().join("; ")
}

fn services(metric: &Metric) -> String {
    if metric.services.is_empty() {
        "all".to_owned()
    } else {
        metric.services.join(", ")
    }
}
