//! Renders the registry as `docs/telemetry.md`.

use std::fmt::Write as _;

use super::{ATTRIBUTES, Kind, METRICS, Metric, REQUESTS, SPANS};

const HEAD: &str = "# Telemetry

<!-- Generated from the registry in crates/kit/src/telemetry/names by `scripts/docs telemetry`. Edit the registry, not this page. -->

This page lists every span, attribute and metric. None of them contains a token, code, secret or cookie, and no metric contains a user. [jaeger.md](jaeger.md) shows how to read traces; [operations.md](operations.md) says what to do when an alert fires.

## Settings

| variable | meaning |
|---|---|
| `OTEL_EXPORTER_OTLP_ENDPOINT` | the collector's address (`http://` or `https://`); without it the service records no spans but those of journeys. `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` takes precedence. `https://` trusts the system's certificate authorities and those of `CA_FILE`. Names below `localhost` resolve to loopback |
| `OTEL_EXPORTER_OTLP_PROTOCOL` | `grpc` (the default) or `http/protobuf` |
| `OTEL_EXPORTER_OTLP_HEADERS` | headers for the collector: `name=value,…`, with percent-encoded values |
| `OTEL_EXPORTER_OTLP_TIMEOUT` | timeout of one batch, in milliseconds (default 10000) |
| `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` | the sampler; `parentbased_traceidratio` with `0.01` records one trace in a hundred, and the other requests cost nothing. Each request of a journey is recorded |
| `LAB_OTLP_ENDPOINT` | the lab's address, which gets the spans of journeys ([lab.md](lab.md)), whatever the settings above |
| `OTEL_METRICS_EXPORTER` | `prometheus` (default): `/metrics` only. `otlp`: also sent to the endpoint, every `OTEL_METRIC_EXPORT_INTERVAL` ms. `none`: same as `prometheus`, because `/metrics` is always available |
| `OTEL_SDK_DISABLED` | `true` sends no telemetry |
| `LOG_FORMAT` | `json` writes one object per line. Each line of a request has its `trace_id` and `service`, sampled or not |

An invalid value (a misspelt sampler, a ratio above 1, an address without `http://`) stops the service at the start: the error names the variable, and the exit code is 2. A collector that does not answer delays no request: the service logs `does not accept telemetry` with the address and the error, at the first failure and then every ten minutes, and `sso_telemetry_exports_total` counts the lost batches.

Each response carries its trace id in the header `Trace-Id`. A login is one trace, from `/login` through the provider's form to `/callback`. Services propagate W3C Trace Context to each other. Where a browser's own request begins a trace, its trace headers are ignored.

";

/// Renders the whole page.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("## Steps of a request\n\nEach span also has the attributes `sso.step`, `sso.spec`, `sso.from` and `sso.to`, which are columns of this table.\n\n| span | step | section | from → to | attributes |\n|---|---|---|---|---|\n");
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
    page.push_str("\n## Requests\n\nEach server makes a span for a request: `METHOD /route` with `http.*` attributes, or `service/method` with `rpc.*` attributes. An app's request span has `sso.store_commands`. An API's request span has `sso.outcome` if the access token was valid but did not allow the call, and `sso.credential` if the call brought an API key or an identity header. In a lab, the span of a request that met a failure that the lab has switched on has `sso.fault`. The requests in this table are steps of the protocol; their spans also have `sso.step`, `sso.spec`, `sso.from` and `sso.to` (the service itself).\n\n| service | span | step | section | from |\n|---|---|---|---|---|\n");
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
    page.push_str("\n## Attributes\n\n| attribute | meaning |\n|---|---|\n");
    for attribute in ATTRIBUTES {
        row(
            &mut page,
            &[&format!("`{}`", attribute.name), attribute.what],
        );
    }
    page.push_str("\n## Metrics\n\nThe first column is the name in `/metrics`, the last column the name over OTLP. In `/metrics`, `_` replaces `.` in the names of labels.\n\n| metric | kind | meaning | labels | services | OTLP |\n|---|---|---|---|---|---|\n");
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
    page.push_str("\nThe age of a signing key comes from a line in its file, `Created: <seconds since 1970>`, before the PEM block (RFC 7468 §5.2 calls such lines explanatory text, and every reader skips them). The provider writes the line when it makes a key. A key without the line has no age: the modification time of a file that is mounted from a Secret is not the key's age.\n\n`sso_sessions_active` counts the provider's login sessions. Apps index their sessions by user, so counting an app's sessions would mean scanning the store.\n");
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
