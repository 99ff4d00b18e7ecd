//! Counts and times of a service's requests over HTTP and gRPC, for `/metrics`.
//! The instruments are OpenTelemetry's: another reader can be set beside this one.

use std::{sync::Arc, time::Duration};

use opentelemetry::{
    KeyValue,
    metrics::{Histogram, MeterProvider as _},
};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Encoder as _, Registry, TextEncoder};

use crate::{config::Problems, telemetry::resource_of};

/// One service's instruments.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Histogram<f64>,
    calls: Histogram<f64>,
    // Dropping it would end the instruments.
    _provider: SdkMeterProvider,
}

const SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

impl Metrics {
    /// Those of `service`.
    pub fn new(service: &'static str) -> Result<Self, Problems> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .build()
            .map_err(|error| Problems::one("metrics", error))?;
        let provider = SdkMeterProvider::builder()
            .with_reader(exporter)
            .with_resource(resource_of(service))
            .build();
        let meter = provider.meter("sso-lab");
        let histogram = |name: &'static str, what: &'static str| {
            meter
                .f64_histogram(name)
                .with_description(what)
                .with_unit("s")
                .with_boundaries(SECONDS.to_vec())
                .build()
        };
        Ok(Self {
            requests: histogram(
                "http.server.request.duration",
                "Requests answered, and how long each took",
            ),
            calls: histogram(
                "rpc.server.duration",
                "gRPC calls answered, and how long each took",
            ),
            registry,
            _provider: provider,
        })
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
