//! Where spans and metrics go, by the SDK's own variables (`OTEL_*`).

use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::metrics::PeriodicReader;

use super::variable;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

fn disabled() -> bool {
    variable("OTEL_SDK_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true"))
}

/// Whether spans go anywhere.
pub(super) fn traces_wanted() -> bool {
    let off = disabled() || variable("OTEL_TRACES_EXPORTER").is_some_and(|v| v == "none");
    !off && (variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").is_some()
        || variable(ENDPOINT).is_some())
}

/// Whether metrics are sent, beside `/metrics`. The SDK's default would be
/// `otlp`; here that has to be asked for, since what takes traces alone (Jaeger)
/// would refuse each of them.
fn metrics_wanted() -> Result<bool, String> {
    let asked = variable("OTEL_METRICS_EXPORTER").unwrap_or_default();
    let endpoint = variable("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT").or_else(|| variable(ENDPOINT));
    Ok(asks_for_otlp(&asked, endpoint.is_some())? && !disabled())
}

/// Whether `asked`, names with commas between them, is for OTLP.
fn asks_for_otlp(asked: &str, has_endpoint: bool) -> Result<bool, String> {
    let mut otlp = false;
    for name in asked.split(',').map(str::trim) {
        match name {
            "otlp" => otlp = true,
            "prometheus" | "none" | "" => {}
            other => {
                return Err(format!(
                    "OTEL_METRICS_EXPORTER: {other:?}: otlp, prometheus or none"
                ));
            }
        }
    }
    if otlp && !has_endpoint {
        return Err(format!("OTEL_METRICS_EXPORTER=otlp: {ENDPOINT} is not set"));
    }
    Ok(otlp)
}

/// What is wrong with the settings for metrics, before anything starts.
pub(super) fn check_metrics() -> Result<(), String> {
    if metrics_wanted()? {
        protocol("METRICS")?;
    }
    Ok(())
}

/// How what `signal` (`TRACES`, `METRICS`) has is sent.
fn protocol(signal: &str) -> Result<Protocol, String> {
    let own = format!("OTEL_EXPORTER_OTLP_{signal}_PROTOCOL");
    let named = variable(&own).or_else(|| variable("OTEL_EXPORTER_OTLP_PROTOCOL"));
    match named.as_deref() {
        None | Some("grpc") => Ok(Protocol::Grpc),
        Some("http/protobuf") => Ok(Protocol::HttpBinary),
        Some(other) => Err(format!(
            "OTEL_EXPORTER_OTLP_PROTOCOL: {other:?}: grpc or http/protobuf"
        )),
    }
}

/// What sends spans.
pub(super) fn spans() -> Result<SpanExporter, String> {
    let protocol = protocol("TRACES")?;
    let built = if protocol == Protocol::Grpc {
        SpanExporter::builder().with_tonic().build()
    } else {
        let http = SpanExporter::builder().with_http();
        http.with_protocol(protocol).build()
    };
    built.map_err(|e| format!("{ENDPOINT}: {e}"))
}

/// What sends metrics from time to time, where they are to be sent
/// (`OTEL_METRIC_EXPORT_INTERVAL`). Call it inside the runtime.
pub(crate) fn metric_reader() -> Result<Option<PeriodicReader<MetricExporter>>, String> {
    if !metrics_wanted()? {
        return Ok(None);
    }
    let protocol = protocol("METRICS")?;
    let built = if protocol == Protocol::Grpc {
        MetricExporter::builder().with_tonic().build()
    } else {
        let http = MetricExporter::builder().with_http();
        http.with_protocol(protocol).build()
    };
    let exporter = built.map_err(|e| format!("{ENDPOINT}: {e}"))?;
    Ok(Some(PeriodicReader::builder(exporter).build()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_sent_only_where_that_is_asked_for() {
        for asked in ["", "prometheus", "none", "prometheus,none"] {
            for endpoint in [false, true] {
                assert_eq!(asks_for_otlp(asked, endpoint), Ok(false), "{asked}");
            }
        }
        assert_eq!(asks_for_otlp("prometheus, otlp", true), Ok(true));
        for (asked, endpoint) in [("otlp", false), ("console", true), ("otlp,otpl", true)] {
            let error = asks_for_otlp(asked, endpoint).unwrap_err();
            assert!(error.starts_with("OTEL_METRICS_EXPORTER"), "{error}");
        }
    }
}
