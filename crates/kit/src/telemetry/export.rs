//! What sends spans and metrics by OTLP, and says when nobody takes them.

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
    metrics::Counter,
    net::{LocalhostResolver, Trust},
    telemetry::names::OK,
};

/// How soon it is said again that a collector takes nothing.
const SAID_AGAIN: Duration = Duration::from_secs(600);

/// What `service` sends its spans with.
pub(super) fn spans(
    service: &'static str,
    target: &Target,
    trust: &Trust,
) -> Result<Watched<SpanExporter>, String> {
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
    Ok(Watched::new(exporter, service, target))
}

/// What `service` sends its metrics with, from time to time
/// (`OTEL_METRIC_EXPORT_INTERVAL`). Call it inside the runtime.
pub(super) fn metrics(
    service: &'static str,
    target: &Target,
    trust: &Trust,
) -> Result<PeriodicReader<Watched<MetricExporter>>, String> {
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
    let watched = Watched::new(exporter, service, target);
    Ok(PeriodicReader::builder(watched).build())
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

/// A client for the threads of the SDK, which have no runtime of ours.
fn http_client(target: &Target, trust: &Trust) -> Result<reqwest::blocking::Client, String> {
    let timeout = target.timeout;
    let certificates = trust.certificates();
    let build = move || {
        reqwest::blocking::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(timeout)
            .no_proxy()
            .dns_resolver(Arc::new(LocalhostResolver))
            .tls_certs_merge(certificates)
            .build()
    };
    // It has a runtime of its own, and none can be made inside of another.
    let client = std::thread::spawn(build).join();
    let client = client.map_err(|_| "the HTTP client could not be made".to_owned())?;
    client.map_err(|error| crate::net::innermost(&error))
}

/// An exporter, with an eye on what comes of it.
#[derive(Debug)]
pub(crate) struct Watched<E> {
    exporter: E,
    watch: Watch,
}

/// What came of the exports to one collector.
#[derive(Debug)]
struct Watch {
    service: &'static str,
    signal: Signal,
    /// Where, without a user or a query: there may be a key in them.
    to: String,
}

/// How it stands with one signal's collector, for all services of this process.
#[derive(Debug)]
struct State {
    /// How many failed one after the other.
    failed: u64,
    said: Option<Instant>,
}

/// What is worth a log line.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Failing(u64),
    Again,
}

static TRACES: Mutex<State> = Mutex::new(State::new());
static METRICS: Mutex<State> = Mutex::new(State::new());

impl State {
    const fn new() -> Self {
        Self {
            failed: 0,
            said: None,
        }
    }

    fn after(&mut self, is_ok: bool, now: Instant) -> Option<News> {
        if is_ok {
            let before = std::mem::replace(self, Self::new());
            return (before.failed > 0).then_some(News::Again);
        }
        self.failed += 1;
        if self.said.is_some_and(|said| now < said + SAID_AGAIN) {
            return None;
        }
        self.said = Some(now);
        Some(News::Failing(self.failed))
    }
}

/// Where each service counts: it has its instruments after its exporters.
static COUNTERS: Mutex<Vec<(&'static str, Counter)>> = Mutex::new(Vec::new());

/// What is exported for `service` is counted by `counter` from now on.
pub(crate) fn count_exports(service: &'static str, counter: Counter) {
    let mut counters = COUNTERS.lock();
    counters.retain(|(known, _)| *known != service);
    counters.push((service, counter));
}

impl<E> Watched<E> {
    fn new(exporter: E, service: &'static str, target: &Target) -> Self {
        let (url, signal) = (&target.url, target.signal);
        let to = format!("{}{}", url.origin().ascii_serialization(), url.path());
        let watch = Watch {
            service,
            signal,
            to,
        };
        Self { exporter, watch }
    }
}

impl Watch {
    fn saw(&self, outcome: &OTelSdkResult) {
        let signal = self.signal.name();
        let named = if outcome.is_ok() { OK } else { "error" };
        for (_, counter) in COUNTERS
            .lock()
            .iter()
            .filter(|(known, _)| *known == self.service)
        {
            counter.add(&[signal, named]);
        }
        let state = match self.signal {
            Signal::Traces => &TRACES,
            Signal::Metrics => &METRICS,
        };
        let news = state.lock().after(outcome.is_ok(), Instant::now());
        let to = &self.to;
        match (news, outcome) {
            (Some(News::Failing(failed)), Err(error)) => tracing::warn!(
                signal,
                failed,
                "telemetry goes nowhere: {to} does not take it: {error}"
            ),
            (Some(News::Again), _) => {
                tracing::info!(signal, "telemetry arrives again at {to}");
            }
            _ => {}
        }
    }
}

impl<E: ExportSpans> ExportSpans for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let outcome = self.exporter.export(batch).await;
        self.watch.saw(&outcome);
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

impl<E: PushMetricExporter> PushMetricExporter for Watched<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let outcome = self.exporter.export(metrics).await;
        self.watch.saw(&outcome);
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
    fn what_goes_nowhere_is_said_once_then_rarely_and_its_end_too() {
        let (mut state, began) = (State::new(), Instant::now());
        assert_eq!(state.after(true, began), None);
        assert_eq!(state.after(false, began), Some(News::Failing(1)));
        let soon = began + SAID_AGAIN / 2;
        assert_eq!(state.after(false, soon), None);
        assert_eq!(
            state.after(false, began + SAID_AGAIN),
            Some(News::Failing(3))
        );
        assert_eq!(state.after(true, soon), Some(News::Again));
        assert_eq!(state.after(true, soon), None);
        assert_eq!(state.after(false, soon), Some(News::Failing(1)));
    }
}
