//! The metrics of a service, for `/metrics` and for an OTLP collector. The registry
//! lists them ([`names::METRICS`](crate::telemetry::names::METRICS)).

mod instruments;

use std::{sync::Arc, time::Duration};

pub use instruments::{Counter, Timer};
use opentelemetry::{
    KeyValue,
    metrics::{Histogram, Meter, MeterProvider as _},
};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Encoder as _, Registry, TextEncoder};

use crate::{
    config::Problems,
    telemetry::{
        count_exports, meter_provider,
        names::{Kind, Metric, metric},
    },
};

/// One service's instruments.
#[derive(Clone, Debug)]
pub struct Metrics {
    service: &'static str,
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
    /// The instruments of `service`. Call it inside the runtime if metrics are exported.
    pub fn new(service: &'static str) -> Result<Self, Problems> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .build()
            .map_err(|error| Problems::one("metrics", error))?;
        let provider = meter_provider(service, exporter)?;
        let meter = provider.meter("sso-lab");
        let metrics = Self {
            service,
            requests: histogram(&meter, &metric::REQUESTS),
            calls: histogram(&meter, &metric::CALLS),
            registry,
            meter: Arc::new(MeterOf {
                meter,
                _provider: provider,
            }),
        };
        let exports = metrics.counter(&metric::EXPORTS);
        count_exports(service, move |signal, outcome| {
            exports.add(&[signal, outcome]);
        });
        Ok(metrics)
    }

    /// The service whose instruments these are.
    pub const fn service(&self) -> &'static str {
        self.service
    }

    /// A counter for `metric`.
    pub fn counter(&self, metric: &Metric) -> Counter {
        let counter = self.meter.meter.u64_counter(metric.name);
        Counter::new(&counter.with_description(metric.what).build(), metric)
    }

    /// A timer for `metric`.
    pub fn timer(&self, metric: &Metric) -> Timer {
        Timer::new(&histogram(&self.meter.meter, metric), metric)
    }

    /// Makes the gauge `metric`. `read` returns its values, each with the value of its
    /// label (empty if it has none). It runs at each scrape, so it must be quick.
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

    /// Records an HTTP request. `route` is a pattern, never a path.
    pub fn request(&self, method: &str, route: Arc<str>, status: u16, took: Duration) {
        // Sorted by name: the SDK stores attributes in another order a second time.
        let attributes = [
            KeyValue::new("http.request.method", method_name(method)),
            KeyValue::new("http.response.status_code", i64::from(status)),
            KeyValue::new("http.route", route),
        ];
        self.requests.record(took.as_secs_f64(), &attributes);
    }

    /// Records a gRPC call. `method` is one that the service has, or `_OTHER`, never
    /// text from the caller.
    pub fn call(&self, service: &'static str, method: &str, code: u8, took: Duration) {
        let attributes = [
            KeyValue::new("rpc.grpc.status_code", i64::from(code)),
            KeyValue::new("rpc.method", method.to_owned()),
            KeyValue::new("rpc.service", service),
        ];
        self.calls.record(took.as_secs_f64(), &attributes);
    }

    /// All metrics in the text format of Prometheus.
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

/// The method's name from a closed set, so that clients cannot create time series.
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
