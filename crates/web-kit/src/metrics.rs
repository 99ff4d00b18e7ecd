//! Counts and times of a service's requests, for `/metrics`. The instruments
//! are OpenTelemetry's: another reader can be set beside this one.

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    metrics::{Histogram, MeterProvider as _},
};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Encoder as _, Registry, TextEncoder};

/// One service's instruments.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Histogram<f64>,
    // Dropping it would end the instruments.
    _provider: SdkMeterProvider,
}

const SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

impl Metrics {
    pub(crate) fn new(service: &'static str) -> Result<Self, String> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .build()
            .map_err(|e| e.to_string())?;
        let provider = SdkMeterProvider::builder()
            .with_reader(exporter)
            .with_resource(kit::telemetry::resource_of(service))
            .build();
        let requests = provider
            .meter("sso-lab")
            .f64_histogram("http.server.request.duration")
            .with_description("Requests answered, and how long each took")
            .with_unit("s")
            .with_boundaries(SECONDS.to_vec())
            .build();
        Ok(Self {
            registry,
            requests,
            _provider: provider,
        })
    }

    pub(crate) fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let attributes = [
            KeyValue::new("http.request.method", method_name(method)),
            KeyValue::new("http.route", route.to_owned()),
            KeyValue::new("http.response.status_code", i64::from(status)),
        ];
        self.requests.record(took.as_secs_f64(), &attributes);
    }

    /// Prometheus' text format.
    pub(crate) fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::warn!("metrics: {error}");
        }
        text
    }
}

/// A closed set: a stranger's method must not become a time series.
pub(crate) fn method_name(method: &str) -> &'static str {
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
