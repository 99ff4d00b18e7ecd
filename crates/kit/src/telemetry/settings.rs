//! The SDK's own variables (`OTEL_*`), read once. Invalid values are refused, because the
//! SDK would silently use a default.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use opentelemetry_sdk::trace::Sampler;
use url::Url;

use crate::config::{Lab, Problems, is_blank};

/// The common variable for the endpoint of both signals.
pub(super) const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The default time for a batch, by the specification.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The variables that the SDK reads itself; all are whole numbers of 1 or more.
const NUMBERS: [&str; 9] = [
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BSP_EXPORT_TIMEOUT",
    "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_METRIC_EXPORT_TIMEOUT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
];
/// What the specification can choose and there is one of here: the variable and its values.
const ONLY: [(&str, &[&str]); 2] = [
    ("OTEL_PROPAGATORS", &["tracecontext", "baggage"]),
    ("OTEL_LOGS_EXPORTER", &["none"]),
];
/// Files for connections to the collector, for which there are settings here.
const TLS_FILES: [&str; 3] = ["CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"];

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Metrics,
    /// Spans of journeys, for the lab.
    Journeys,
}

impl Signal {
    /// The value in metrics and log lines.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Journeys => "journeys",
        }
    }

    /// The path of OTLP over HTTP.
    const fn path(self) -> &'static str {
        match self {
            Self::Traces | Self::Journeys => "v1/traces",
            Self::Metrics => "v1/metrics",
        }
    }

    /// The name of the signal's own variable, which wins over the common one.
    fn own(self, what: &str) -> String {
        let signal = self.name().to_ascii_uppercase();
        format!("OTEL_EXPORTER_OTLP_{signal}_{what}")
    }
}

/// The transport of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    HttpProtobuf,
}

/// The endpoint of one signal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    pub(super) signal: Signal,
    /// Includes the path for OTLP over HTTP.
    pub(super) url: Url,
    pub(super) protocol: Protocol,
    /// Not shown, because they may contain a key for the collector.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) timeout: Duration,
}

impl Target {
    /// The lab, if it is another process.
    pub(super) fn of_lab(lab: &Lab) -> Option<Self> {
        let mut url = lab.endpoint.clone()?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
            path.extend(Signal::Journeys.path().split('/'));
        }
        // A key in base64url is a header's value.
        let key = HeaderValue::try_from(format!("Bearer {}", lab.keys.export_key())).ok()?;
        Some(Self {
            signal: Signal::Journeys,
            url,
            protocol: Protocol::HttpProtobuf,
            headers: vec![(http::header::AUTHORIZATION, key)],
            timeout: TIMEOUT,
        })
    }
}

/// The checked settings.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) traces: Option<Target>,
    pub(super) metrics: Option<Target>,
    /// The sampler of traces that begin here.
    pub(super) sampler: Sampler,
}

/// Reads a variable; a blank one counts as unset.
struct Reader<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    problems: &'a mut Problems,
}

impl Settings {
    /// Reads all settings by `variable`. Errors are added to `problems`.
    pub(super) fn read(
        variable: &dyn Fn(&str) -> Option<String>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let mut reader = Reader { variable, problems };
        if reader.switch("OTEL_SDK_DISABLED") {
            return Some(Self {
                traces: None,
                metrics: None,
                sampler: Sampler::AlwaysOn,
            });
        }
        let before = reader.problems.lines().len();
        let sampler = reader.sampler();
        for name in NUMBERS {
            if reader.number(name) == Some(0) {
                reader.problems.add(name, "0: 1 or more is expected");
            }
        }
        for (name, known) in ONLY {
            reader.exporters(name, known, "");
        }
        reader.resource();
        let traces_wanted = reader.exporters("OTEL_TRACES_EXPORTER", &["otlp", "none"], "otlp");
        let traces = reader.target(Signal::Traces, traces_wanted);
        // The SDK's default is `otlp`. Here it must be set, because a collector that
        // accepts only traces (Jaeger) would refuse every export.
        let known = ["otlp", "prometheus", "none"];
        let metrics_wanted = reader.exporters("OTEL_METRICS_EXPORTER", &known, "prometheus");
        let metrics = reader.target(Signal::Metrics, metrics_wanted);
        if metrics_wanted && metrics.is_none() && reader.problems.lines().len() == before {
            let what = format_args!("otlp, and {ENDPOINT} is not set");
            reader.problems.add("OTEL_METRICS_EXPORTER", what);
        }
        (reader.problems.lines().len() == before).then_some(Self {
            traces,
            metrics,
            sampler: sampler?,
        })
    }
}

impl Reader<'_> {
    fn get(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !is_blank(value))
    }

    /// The signal's own variable, or the common one, with its name.
    fn either(&self, signal: Signal, what: &str) -> Option<(String, String)> {
        let names = [signal.own(what), format!("OTEL_EXPORTER_OTLP_{what}")];
        names.into_iter().find_map(|name| {
            let value = self.get(&name)?;
            Some((name, value))
        })
    }

    fn switch(&mut self, name: &str) -> bool {
        match self.get(name) {
            Some(text) if text.eq_ignore_ascii_case("true") => true,
            Some(text) if !text.eq_ignore_ascii_case("false") => {
                let what = format_args!("{text:?}: true or false");
                self.problems.add(name, what);
                false
            }
            _ => false,
        }
    }

    fn number(&mut self, name: &str) -> Option<u64> {
        let text = self.get(name)?;
        let number = text.parse().ok();
        if number.is_none() {
            let what = format_args!("{text:?}: a whole number is expected");
            self.problems.add(name, what);
        }
        number
    }

    fn sampler(&mut self) -> Option<Sampler> {
        const NAME: &str = "OTEL_TRACES_SAMPLER";
        const RATIO: &str = "OTEL_TRACES_SAMPLER_ARG";
        let ratio = match self.get(RATIO) {
            None => Some(1.0),
            Some(text) => {
                let ratio = text.parse().ok();
                let ratio = ratio.filter(|ratio: &f64| (0.0..=1.0).contains(ratio));
                if ratio.is_none() {
                    let what = format_args!("{text:?}: a ratio from 0 to 1, such as 0.01");
                    self.problems.add(RATIO, what);
                }
                ratio
            }
        };
        match self.get(NAME).as_deref() {
            None | Some("always_on" | "parentbased_always_on") => Some(Sampler::AlwaysOn),
            Some("always_off" | "parentbased_always_off") => Some(Sampler::AlwaysOff),
            Some("traceidratio" | "parentbased_traceidratio") => {
                ratio.map(Sampler::TraceIdRatioBased)
            }
            Some(other) => {
                let what = format_args!(
                    "{other:?}: always_on, always_off or traceidratio, or one of them after parentbased_"
                );
                self.problems.add(NAME, what);
                None
            }
        }
    }

    /// Whether the comma-separated names in `name` include OTLP.
    fn exporters(&mut self, name: &str, known: &[&str], default: &str) -> bool {
        let asked = self.get(name).unwrap_or_else(|| default.to_owned());
        for exporter in asked.split(',').map(str::trim) {
            if !exporter.is_empty() && !known.contains(&exporter) {
                let what = format_args!("{exporter:?}: {} is expected", known.join(" or "));
                self.problems.add(name, what);
            }
        }
        asked.split(',').any(|exporter| exporter.trim() == "otlp")
    }

    /// The SDK silently ignores entries that are not `name=value`.
    fn resource(&mut self) {
        const NAME: &str = "OTEL_RESOURCE_ATTRIBUTES";
        let text = self.get(NAME).unwrap_or_default();
        let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
        for pair in pairs {
            let named = pair
                .split_once('=')
                .is_some_and(|(name, _)| !name.trim().is_empty());
            if !named {
                self.problems
                    .add(NAME, format_args!("{pair:?}: name=value is expected"));
            }
        }
    }

    /// The endpoint of `signal`, which is checked even if it is not `wanted`.
    fn target(&mut self, signal: Signal, wanted: bool) -> Option<Target> {
        let protocol = self.protocol(signal);
        let headers = self.headers(signal);
        let timeout = self.timeout(signal);
        self.compression(signal);
        self.tls_files(signal);
        let url = self.endpoint(signal, protocol)?;
        let target = Target {
            signal,
            url,
            protocol: protocol?,
            headers: headers?,
            timeout: timeout?,
        };
        wanted.then_some(target)
    }

    fn protocol(&mut self, signal: Signal) -> Option<Protocol> {
        match self.either(signal, "PROTOCOL") {
            None => Some(Protocol::Grpc),
            Some((_, name)) if name == "grpc" => Some(Protocol::Grpc),
            Some((_, name)) if name == "http/protobuf" => Some(Protocol::HttpProtobuf),
            Some((key, other)) => {
                let what = format_args!("{other:?}: grpc or http/protobuf");
                self.problems.add(key, what);
                None
            }
        }
    }

    fn endpoint(&mut self, signal: Signal, protocol: Option<Protocol>) -> Option<Url> {
        let (key, text) = self.either(signal, "ENDPOINT")?;
        let url = Url::parse(&text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.host_str().is_some_and(|h| !h.is_empty())
        });
        let Some(mut url) = url else {
            let what = format_args!(
                "{text:?}: an http:// or https:// address is expected, such as http://localhost:4317"
            );
            self.problems.add(key, what);
            return None;
        };
        // OTLP §Endpoint URLs: a signal's own address is used unchanged.
        if protocol == Some(Protocol::HttpProtobuf) && key == ENDPOINT {
            let base = url.path().trim_end_matches('/').to_owned();
            url.set_path(&format!("{base}/{}", signal.path()));
        }
        Some(url)
    }

    /// `name=value,…`, the values percent-encoded (W3C Baggage §3.3.1).
    fn headers(&mut self, signal: Signal) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let Some((key, text)) = self.either(signal, "HEADERS") else {
            return Some(Vec::new());
        };
        let pairs = text
            .split(',')
            .map(str::trim)
            .filter(|pair| !pair.is_empty());
        let headers: Option<Vec<_>> = pairs.map(header).collect();
        if headers.is_none() {
            // The value is not shown, because it may contain a key.
            self.problems.add(
                key,
                "name=value is expected, with commas between and what is no plain text percent-encoded",
            );
        }
        headers
    }

    fn timeout(&mut self, signal: Signal) -> Option<Duration> {
        let Some((key, _)) = self.either(signal, "TIMEOUT") else {
            return Some(TIMEOUT);
        };
        self.number(&key).map(Duration::from_millis)
    }

    fn tls_files(&mut self, signal: Signal) {
        for file in TLS_FILES {
            if let Some((key, _)) = self.either(signal, file) {
                let what = "not read here: CA_FILE names the authorities of all connections";
                self.problems.add(key, what);
            }
        }
    }

    fn compression(&mut self, signal: Signal) {
        if let Some((key, asked)) = self.either(signal, "COMPRESSION")
            && !asked.eq_ignore_ascii_case("none")
        {
            let what = format_args!("{asked:?}: only none can be had");
            self.problems.add(key, what);
        }
    }
}

fn header(pair: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = pair.split_once('=')?;
    let value = decoded(value.trim())?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
    let value = HeaderValue::from_bytes(&value).ok()?;
    value.to_str().is_ok().then_some((name, value))
}

/// RFC 3986 §2.1; `None` for an invalid `%`.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_at_checked(2)?;
        // `from_str_radix` takes a sign too.
        if !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
