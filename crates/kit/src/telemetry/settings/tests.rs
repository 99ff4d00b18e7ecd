//! Tests of each variable with valid and invalid values.

use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let mut problems = Problems::new();
    let settings = Settings::read(&variable, &mut problems);
    if problems.is_empty() {
        Ok(settings.unwrap())
    } else {
        Err(problems.lines().to_vec())
    }
}

fn target(variables: &[(&str, &str)]) -> Target {
    read(variables).unwrap().traces.unwrap()
}

const TO: (&str, &str) = (ENDPOINT, "http://jaeger.localhost:4317");

#[test]
fn nothing_is_sent_unless_an_endpoint_is_set() {
    for unset in [&[][..], &[(ENDPOINT, "")], &[(ENDPOINT, " \t")]] {
        let settings = read(unset).unwrap();
        assert!(settings.traces.is_none() && settings.metrics.is_none());
    }
    for off in [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
    ] {
        assert!(read(&[TO, off]).unwrap().traces.is_none(), "{off:?}");
    }
}

#[test]
fn metrics_are_sent_only_where_that_is_asked_for() {
    const KEY: &str = "OTEL_METRICS_EXPORTER";
    for asked in ["", "prometheus", "none", "prometheus,none"] {
        for to in [&[(KEY, asked)][..], &[(KEY, asked), TO]] {
            assert_eq!(read(to).unwrap().metrics, None, "{asked}");
        }
    }
    let sent = read(&[(KEY, "prometheus, otlp"), TO]).unwrap();
    assert_eq!(sent.metrics.unwrap().signal, Signal::Metrics);
    for wrong in [
        &[(KEY, "otlp")][..],
        &[(KEY, "console"), TO],
        &[(KEY, "otlp,otpl"), TO],
    ] {
        let lines = read(wrong).unwrap_err();
        assert!(lines[0].starts_with(KEY), "{lines:?}");
    }
}

#[test]
fn otlp_a_signals_own_variable_wins_and_one_set_to_nothing_does_not() {
    let own = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    assert_eq!(
        target(&[TO, (own, "")]).url.as_str(),
        "http://jaeger.localhost:4317/"
    );
    assert_eq!(
        target(&[TO, (own, "http://x/y")]).url.as_str(),
        "http://x/y"
    );
    let keys = [
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b%20c, x-key = 1"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", ""),
    ];
    let headers = target(&[&[TO][..], &keys].concat()).headers;
    let of = |at: usize| (headers[at].0.as_str(), headers[at].1.to_str().unwrap());
    assert_eq!((of(0), of(1)), (("a", "b c"), ("x-key", "1")));
}

#[test]
fn otlp_over_http_goes_to_the_signals_path_below_the_common_address() {
    let http = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
    let of = |to: &str| target(&[(ENDPOINT, to), http]).url.to_string();
    assert_eq!(of("http://c:4318"), "http://c:4318/v1/traces");
    assert_eq!(of("https://c/base/"), "https://c/base/v1/traces");
    let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/mine");
    assert_eq!(target(&[own, http]).url.as_str(), "http://c/mine");
}

#[test]
fn a_bad_setting_is_refused_with_its_key_also_where_nothing_is_sent() {
    for (key, value) in [
        ("OTEL_TRACES_SAMPLER", "always_one"),
        ("OTEL_TRACES_SAMPLER", "TraceIdRatio"),
        ("OTEL_TRACES_SAMPLER_ARG", "10%"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "-0.1"),
        ("OTEL_TRACES_SAMPLER_ARG", "NaN"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "gRPC"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "4317"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "ftp://x"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Bearer secret"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=secret"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=secret%zz"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=secret%0a"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_TRACES_EXPORTER", "jaeger"),
        ("OTEL_SDK_DISABLED", "yes"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team"),
        ("OTEL_BSP_SCHEDULE_DELAY", "5s"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many"),
        ("OTEL_PROPAGATORS", "b4"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
        ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "/key.pem"),
    ] {
        let lines = read(&[(key, value)]).unwrap_err();
        assert_eq!(lines.len(), 1, "{key}={value}: {lines:?}");
        assert!(lines[0].starts_with(&format!("{key}: ")), "{lines:?}");
        assert!(!lines[0].contains("secret"), "{lines:?}");
    }
    let all = [
        ("OTEL_TRACES_SAMPLER", "x"),
        ("OTEL_TRACES_SAMPLER_ARG", "x"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "x"),
    ];
    assert_eq!(read(&all).unwrap_err().len(), 3, "all at once");
}

#[test]
fn samplers_are_the_specifications() {
    let of = |name, ratio| {
        let variables = [
            ("OTEL_TRACES_SAMPLER", name),
            ("OTEL_TRACES_SAMPLER_ARG", ratio),
        ];
        format!("{:?}", read(&variables).unwrap().sampler)
    };
    assert_eq!(of("", ""), "AlwaysOn");
    assert_eq!(of("parentbased_always_off", "0.5"), "AlwaysOff");
    assert_eq!(of("traceidratio", ""), "TraceIdRatioBased(1.0)");
    assert_eq!(
        of("parentbased_traceidratio", "0.01"),
        "TraceIdRatioBased(0.01)"
    );
}

#[test]
fn fuzz_headers_of_the_collector() {
    fuzz::run_text(&["authorization=Basic%20YTpi", "x-a=%C3%A4"], |text| {
        if let Some(bytes) = decoded(text) {
            let escapes: Vec<_> = text.split('%').skip(1).collect();
            assert_eq!(bytes.len(), text.len() - 2 * escapes.len());
            for escape in escapes {
                let is_hex = escape.bytes().take(2).all(|b| b.is_ascii_hexdigit());
                assert!(is_hex, "%{escape} is no escape (RFC 3986 section 2.1)");
            }
        }
        if let Some((_, value)) = header(text) {
            assert!(value.to_str().is_ok());
        }
    });
}
