//! Counts and times of a service, for `/metrics`, and by OTLP where that is
//! asked for. Which there are is in the registry
//! ([`names::METRICS`](crate::telemetry::names::METRICS)).

mod instruments;

use std::{sync::Arc, time::Duration};

pub use instruments::{Counter, Timer};
use opentelemetry::{
    KeyValue,
    metrics::{Histogram, Meter, MeterProvider as _},
};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use parking_lot::Mutex;
use prometheus::{Encoder as _, Registry, TextEncoder};

use crate::{
    config::Problems,
    telemetry::{
        count_exports, metric_reader,
        names::{Kind, Metric, metric},
        resource_of,
    },
};

/// Those whose metrics are sent: what they have not sent yet is sent at the end.
static SENT: Mutex<Vec<SdkMeterProvider>> = Mutex::new(Vec::new());

/// One service's instruments.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Histogram<f64>,
    calls: Histogram<f64>,
    meter: Arc<MeterOf>,
}

#[derive(Debug)]
struct MeterOf {
    meter: Meter,
    // Dropping it would end the instruments.
    _provider: SdkMeterProvider,
}

impl Metrics {
    /// Those of `service`. Where metrics are sent, call it inside the runtime.
    pub fn new(service: &'static str) -> Result<Self, Problems> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .build()
            .map_err(|error| Problems::one("metrics", error))?;
        let builder = SdkMeterProvider::builder()
            .with_reader(exporter)
            .with_resource(resource_of(service));
        let provider = match metric_reader(service)? {
            Some(sender) => {
                let provider = builder.with_reader(sender).build();
                SENT.lock().push(provider.clone());
                provider
            }
            None => builder.build(),
        };
        let meter = provider.meter("sso-lab");
        let metrics = Self {
            requests: histogram(&meter, &metric::REQUESTS),
            calls: histogram(&meter, &metric::CALLS),
            registry,
            meter: Arc::new(MeterOf {
                meter,
                _provider: provider,
            }),
        };
        count_exports(service, metrics.counter(&metric::EXPORTS));
        Ok(metrics)
    }

    /// Counts `metric`.
    pub fn counter(&self, metric: &Metric) -> Counter {
        let counter = self.meter.meter.u64_counter(metric.name);
        Counter::new(&counter.with_description(metric.what).build(), metric)
    }

    /// Times `metric`.
    pub fn timer(&self, metric: &Metric) -> Timer {
        Timer::new(&histogram(&self.meter.meter, metric), metric)
    }

    /// Shows what `read` gives as the values of the gauge `metric`, each with
    /// the value of its label (empty where it has none). It is asked whenever
    /// somebody looks, so it has to be quick.
    pub fn gauge(
        &self,
        metric: &Metric,
        read: impl Fn() -> Vec<(&'static str, f64)> + Send + Sync + 'static,
    ) {
        let label = metric.labels.first().map(|label| label.name);
        let gauge = self.meter.meter.f64_observable_gauge(metric.name);
        gauge
            .with_description(metric.what)
            .with_unit(metric.unit)
            .with_callback(move |observer| {
                for (value, number) in read() {
                    let labels = label.map(|label| KeyValue::new(label, value));
                    observer.observe(number, labels.as_slice());
                }
            })
            .build();
    }

    /// A request over HTTP was answered. `route` is a pattern, never a path.
    pub fn request(&self, method: &str, route: Arc<str>, status: u16, took: Duration) {
        let attributes = [
            KeyValue::new("http.request.method", method_name(method)),
            KeyValue::new("http.route", route),
            KeyValue::new("http.response.status_code", i64::from(status)),
        ];
        self.requests.record(took.as_secs_f64(), &attributes);
    }

    /// A gRPC call was answered. `method` is one that the service has, or
    /// `_OTHER`, never the caller's word.
    pub fn call(&self, service: &'static str, method: &str, code: u8, took: Duration) {
        let attributes = [
            KeyValue::new("rpc.service", service),
            KeyValue::new("rpc.method", method.to_owned()),
            KeyValue::new("rpc.grpc.status_code", i64::from(code)),
        ];
        self.calls.record(took.as_secs_f64(), &attributes);
    }

    /// Prometheus' text format.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::warn!("metrics: {error}");
        }
        text
    }
}

fn histogram(meter: &Meter, metric: &Metric) -> Histogram<f64> {
    let bounds = match metric.kind {
        Kind::Histogram(bounds) => bounds,
        Kind::Counter | Kind::Gauge => &[],
    };
    meter
        .f64_histogram(metric.name)
        .with_description(metric.what)
        .with_unit(metric.unit)
        .with_boundaries(bounds.to_vec())
        .build()
}

/// Sends what has not been sent yet, of all services at once. It waits for that, by
/// the SDK's own bound of 5 s: call it outside of the runtime's own threads.
pub(crate) fn flush() {
    let all = std::mem::take(&mut *SENT.lock());
    std::thread::scope(|scope| {
        for provider in &all {
            scope.spawn(move || {
                if let Err(error) = provider.shutdown() {
                    tracing::warn!("metrics were lost at the end: {error}");
                }
            });
        }
    });
}

/// The name of a method, out of a closed set: a stranger's method must not become a time series.
pub fn method_name(method: &str) -> &'static str {
    match method {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}
