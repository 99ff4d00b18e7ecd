//! Exports spans and metrics by OTLP, and logs when a collector does not accept them.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderMap;
use opentelemetry_otlp::{
    MetricExporter, SpanExporter, WithExportConfig as _, WithHttpConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    metrics::{PeriodicReader, Temporality, data::ResourceMetrics, exporter::PushMetricExporter},
    trace::{SpanData, SpanExporter as ExportSpans},
};
use parking_lot::Mutex;
use tonic::metadata::MetadataMap;

use super::settings::{Protocol, Signal, Target};
use crate::{
    net::{LocalhostResolver, Trust},
    telemetry::names::OK,
};

/// How often the log repeats that a collector accepts nothing.
const LOG_INTERVAL: Duration = Duration::from_secs(600);

/// The exporter of the spans of `service`.
pub(super) fn spans(
    service: &'static str,
    target: &Target,
    trust: &Trust,
) -> Result<Reporting<SpanExporter>, String> {
    let built = match target.protocol {
        Protocol::Grpc => SpanExporter::builder()
            .with_tonic()
            .with_timeout(target.timeout)
            .with_metadata(metadata(target))
            .with_channel(channel(target, trust)?)
            .build(),
        Protocol::HttpProtobuf => SpanExporter::builder()
            .with_http()
            .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
            .with_endpoint(target.url.as_str())
            .with_timeout(target.timeout)
            .with_headers(headers(target))
            .with_http_client(http_client(target, trust)?)
            .build(),
    };
    let exporter = built.map_err(|error| error.to_string())?;
    Ok(Reporting::new(exporter, service, target))
}

/// The periodic exporter of the metrics of `service` (`OTEL_METRIC_EXPORT_INTERVAL`). Call
/// it inside the runtime.
pub(super) fn metrics(
    service: &'static str,
    target: &Target,
    trust: &Trust,
) -> Result<PeriodicReader<Reporting<MetricExporter>>, String> {
    let built = match target.protocol {
        Protocol::Grpc => MetricExporter::builder()
            .with_tonic()
            .with_timeout(target.timeout)
            .with_metadata(metadata(target))
            .with_channel(channel(target, trust)?)
            .build(),
        Protocol::HttpProtobuf => MetricExporter::builder()
            .with_http()
            .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
            .with_endpoint(target.url.as_str())
            .with_timeout(target.timeout)
            .with_headers(headers(target))
            .with_http_client(http_client(target, trust)?)
            .build(),
    };
    let exporter = built.map_err(|error| error.to_string())?;
    let exporter = Reporting::new(exporter, service, target);
    Ok(PeriodicReader::builder(exporter).build())
}

fn channel(target: &Target, trust: &Trust) -> Result<tonic::transport::Channel, String> {
    let channel = trust.grpc_channel(target.url.as_str());
    channel.map_err(|error| error.to_string())
}

fn metadata(target: &Target) -> MetadataMap {
    let headers: HeaderMap = target.headers.iter().cloned().collect();
    MetadataMap::from_headers(headers)
}

fn headers(target: &Target) -> HashMap<String, String> {
    let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = target.headers.iter();
    headers
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}

/// A client for the threads of the SDK, which have no tokio runtime.
fn http_client(target: &Target, trust: &Trust) -> Result<reqwest::blocking::Client, String> {
    let timeout = target.timeout;
    let tls = trust.https();
    let build = move || {
        reqwest::blocking::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(timeout)
            .no_proxy()
            .dns_resolver(Arc::new(LocalhostResolver))
            .tls_backend_preconfigured(tls)
            .build()
    };
    // It has its own runtime, which cannot be created inside another one.
    let client = std::thread::spawn(build).join();
    let client = client.map_err(|_| "the HTTP client could not be made".to_owned())?;
    client.map_err(|error| crate::net::innermost(&error))
}

/// An exporter whose outcomes are counted and logged.
#[derive(Debug)]
pub(crate) struct Reporting<E> {
    exporter: E,
    outcomes: Outcomes,
}

/// Counts and logs the outcomes of the exports to one collector.
#[derive(Debug)]
struct Outcomes {
    service: &'static str,
    signal: Signal,
    /// The collector's address without user and query, which may contain a key.
    to: String,
}

/// The state of one signal's collector, for all services of this process.
#[derive(Debug)]
struct State {
    /// How many exports failed since the last success.
    failed: u64,
    logged: Option<Instant>,
}

/// A change that is logged.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Failing(u64),
    Recovered,
}

static TRACES: Mutex<State> = Mutex::new(State::new());
static METRICS: Mutex<State> = Mutex::new(State::new());
static JOURNEYS: Mutex<State> = Mutex::new(State::new());

impl State {
    const fn new() -> Self {
        Self {
            failed: 0,
            logged: None,
        }
    }

    fn after(&mut self, is_ok: bool, now: Instant) -> Option<Change> {
        if is_ok {
            let before = std::mem::replace(self, Self::new());
            return (before.failed > 0).then_some(Change::Recovered);
        }
        self.failed += 1;
        if self
            .logged
            .is_some_and(|logged| now < logged + LOG_INTERVAL)
        {
            return None;
        }
        self.logged = Some(now);
        Some(Change::Failing(self.failed))
    }
}

/// Counts an export by its signal and its outcome.
type CountExport = Box<dyn Fn(&str, &str) + Send>;

/// The counter of each service, which gets its instruments after its exporters.
static COUNTERS: Mutex<Vec<(&'static str, CountExport)>> = Mutex::new(Vec::new());

/// Counts the exports of `service` with `count` from now on.
pub(crate) fn count_exports(service: &'static str, count: impl Fn(&str, &str) + Send + 'static) {
    let mut counters = COUNTERS.lock();
    counters.retain(|(known, _)| *known != service);
    counters.push((service, Box::new(count)));
}

impl<E> Reporting<E> {
    fn new(exporter: E, service: &'static str, target: &Target) -> Self {
        let (url, signal) = (&target.url, target.signal);
        let to = format!("{}{}", url.origin().ascii_serialization(), url.path());
        let outcomes = Outcomes {
            service,
            signal,
            to,
        };
        Self { exporter, outcomes }
    }
}

impl Outcomes {
    fn record(&self, outcome: &OTelSdkResult) {
        let signal = self.signal.name();
        let named = if outcome.is_ok() { OK } else { "error" };
        for (service, count) in &*COUNTERS.lock() {
            if *service == self.service {
                count(signal, named);
            }
        }
        let state = match self.signal {
            Signal::Traces => &TRACES,
            Signal::Metrics => &METRICS,
            Signal::Journeys => &JOURNEYS,
        };
        let change = state.lock().after(outcome.is_ok(), Instant::now());
        let to = &self.to;
        match (change, outcome) {
            (Some(Change::Failing(failed)), Err(error)) => tracing::warn!(
                signal,
                failed,
                "the collector at {to} does not accept telemetry: {error}"
            ),
            (Some(Change::Recovered), _) => {
                tracing::info!(signal, "the collector at {to} accepts telemetry again");
            }
            _ => {}
        }
    }
}

impl<E: ExportSpans> ExportSpans for Reporting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let outcome = self.exporter.export(batch).await;
        self.outcomes.record(&outcome);
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Reporting<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let outcome = self.exporter.export(metrics).await;
        self.outcomes.record(&outcome);
        outcome
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_collector_is_logged_once_then_rarely_and_its_recovery_too() {
        let (mut state, began) = (State::new(), Instant::now());
        assert_eq!(state.after(true, began), None);
        assert_eq!(state.after(false, began), Some(Change::Failing(1)));
        let soon = began + LOG_INTERVAL / 2;
        assert_eq!(state.after(false, soon), None);
        assert_eq!(
            state.after(false, began + LOG_INTERVAL),
            Some(Change::Failing(3))
        );
        assert_eq!(state.after(true, soon), Some(Change::Recovered));
        assert_eq!(state.after(true, soon), None);
        assert_eq!(state.after(false, soon), Some(Change::Failing(1)));
    }
}
