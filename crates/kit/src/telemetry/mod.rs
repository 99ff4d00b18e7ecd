//! Traces and logs. Spans are made with `tracing` under the target
//! [`names::TARGET`]; without an OTLP endpoint there is no layer for them, and an
//! unsampled request has no span ([`context`]).

mod caller;
pub mod context;
mod export;
mod ids;
mod lines;
pub mod login_trace;
pub mod names;
pub mod propagation;
mod routed;
mod settings;

use std::{io::IsTerminal as _, sync::OnceLock, time::Duration};

pub use caller::caller;
pub(crate) use export::count_exports;
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_sdk::{
    Resource,
    metrics::{SdkMeterProvider, reader::MetricReader},
    trace::{BatchSpanProcessor, Sampler, SamplingDecision, SdkTracerProvider, ShouldSample as _},
};
use parking_lot::Mutex;
pub use routed::ServiceTag;
use settings::{Settings, Target};
use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    layer::SubscriberExt as _,
    util::{SubscriberInitExt as _, TryInitError},
};

use crate::{config::Problems, net::Trust};

/// How long the end of the process waits for a collector to accept the last spans.
const FLUSH: Duration = Duration::from_secs(3);

/// A span for one step inside a request. Outside a traced request there is none, because a
/// step alone would be a trace without a root.
#[macro_export]
macro_rules! step {
    ($name:expr $(, $($fields:tt)*)?) => {
        if ::tracing::Span::current().is_none() {
            ::tracing::Span::none()
        } else {
            ::tracing::info_span!(target: "sso", $name $(, $($fields)*)?)
        }
    };
}

/// The running exporters, until [`Telemetry::flush`].
#[derive(Default)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for a terminal.
    Text,
    /// A JSON object for each line.
    Json,
}

/// The settings of traces, metrics and logs from the environment (`OTEL_*`, `RUST_LOG`).
pub struct TelemetrySettings {
    otlp: Settings,
    lines: Targets,
}

/// The settings read at the start, for services that start later.
static STARTED: OnceLock<(Settings, Trust)> = OnceLock::new();

impl TelemetrySettings {
    /// Reads the environment. Errors are added to `problems`.
    pub fn read(problems: &mut Problems) -> Option<Self> {
        let otlp = Settings::read(&variable, problems);
        let lines = match variable("RUST_LOG") {
            Some(text) => text
                .parse()
                .map_err(|error| problems.add("RUST_LOG", format_args!("{text:?}: {error}")))
                .ok(),
            None => Some(
                Targets::new()
                    .with_default(Level::INFO)
                    .with_target("actix_server", Level::WARN),
            ),
        };
        Some(Self {
            otlp: otlp?,
            lines: lines?,
        })
    }

    /// Starts logs, and traces if an OTLP endpoint is set, for the services of this
    /// process; each service's spans have its own `service.name`. `trust` has the
    /// certificate authorities for the collector. Call it once, inside a runtime.
    pub fn start(
        self,
        services: &[&'static str],
        format: LogFormat,
        trust: &Trust,
    ) -> Result<Telemetry, Problems> {
        let target = self.otlp.traces.as_ref();
        let provider = target.map(|target| provider(services, target, &self.otlp.sampler, trust));
        let provider = provider.transpose();
        let provider = provider.map_err(|what| Problems::one(settings::ENDPOINT, what))?;
        log(provider.as_ref(), self.lines, format)
            .map_err(|error| Problems::one("telemetry", error))?;
        // A second start fails above.
        let _ = STARTED.set((self.otlp, trust.clone()));
        Ok(Telemetry { provider })
    }
}

fn log(
    provider: Option<&SdkTracerProvider>,
    lines: Targets,
    format: LogFormat,
) -> Result<(), TryInitError> {
    let spans = provider.map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("sso-lab"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_level(false)
            .with_filter(Targets::new().with_target(names::TARGET, Level::INFO))
            .boxed()
    });
    // Spans belong to the trace. Log lines do not repeat them.
    let lines = lines.with_target(names::TARGET, LevelFilter::OFF);
    let log = match format {
        LogFormat::Text => tracing_subscriber::fmt::layer()
            .event_format(lines::Text::new(std::io::stderr().is_terminal()))
            .with_writer(std::io::stderr)
            .with_filter(lines)
            .boxed(),
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .event_format(lines::Json)
            .with_writer(std::io::stderr)
            .with_filter(lines)
            .boxed(),
    };
    // No `Option` layer: a `None` would keep every span enabled.
    let layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> =
        spans.into_iter().chain([log]).collect();
    tracing_subscriber::registry().with(layers).try_init()
}

impl Telemetry {
    /// Sends the unsent spans and metrics. Call it before every exit of the process.
    pub async fn flush(self) {
        // The exporters need the runtime, which a blocking shutdown would block.
        let flushed = tokio::task::spawn_blocking(move || {
            std::thread::scope(|scope| {
                scope.spawn(flush_metrics);
                if let Some(provider) = self.provider
                    && let Err(error) = provider.shutdown_with_timeout(FLUSH)
                {
                    tracing::warn!("the last spans were lost: {error}");
                }
            });
        });
        // It fails only after a panic, which is logged.
        let _ = flushed.await;
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn provider(
    services: &[&'static str],
    target: &Target,
    sampler: &Sampler,
    trust: &Trust,
) -> Result<SdkTracerProvider, String> {
    let processors = services
        .iter()
        .map(|service| {
            let exporter = export::spans(service, target, trust)?;
            Ok((*service, BatchSpanProcessor::builder(exporter).build()))
        })
        .collect::<Result<Vec<_>, String>>()?;
    Ok(SdkTracerProvider::builder()
        .with_id_generator(ids::KnownIds::default())
        .with_sampler(Sampler::ParentBased(Box::new(sampler.clone())))
        .with_span_processor(routed::Routed::new(processors))
        .build())
}

/// The meter providers that export: [`Telemetry::flush`] sends their last metrics.
static EXPORTING: Mutex<Vec<SdkMeterProvider>> = Mutex::new(Vec::new());

/// The meter provider of `service`: `reader` serves the metrics here, and they are
/// exported if an OTLP endpoint is set. Call it inside the runtime.
pub(crate) fn meter_provider(
    service: &'static str,
    reader: impl MetricReader,
) -> Result<SdkMeterProvider, Problems> {
    let builder = SdkMeterProvider::builder()
        .with_reader(reader)
        .with_resource(resource_of(service));
    let started = STARTED.get();
    let target = started.and_then(|(otlp, trust)| Some((otlp.metrics.as_ref()?, trust)));
    let Some((target, trust)) = target else {
        return Ok(builder.build());
    };
    let exporter = export::metrics(service, target, trust)
        .map_err(|what| Problems::one(settings::ENDPOINT, what))?;
    let provider = builder.with_reader(exporter).build();
    EXPORTING.lock().push(provider.clone());
    Ok(provider)
}

/// Sends the unsent metrics of all services at once. It blocks, for at most 5 s (a
/// bound of the SDK): call it outside the threads of the runtime.
fn flush_metrics() {
    let all = std::mem::take(&mut *EXPORTING.lock());
    std::thread::scope(|scope| {
        for provider in &all {
            scope.spawn(move || {
                if let Err(error) = provider.shutdown() {
                    tracing::warn!("the last metrics were lost: {error}");
                }
            });
        }
    });
}

/// Whether a trace with this id that begins here is sampled. The whole process uses one
/// sampler, so that this decision, made before the first span, agrees with the SDK's.
fn is_sampled(trace_id: opentelemetry::trace::TraceId) -> bool {
    let sampler = STARTED
        .get()
        .map_or(&Sampler::AlwaysOn, |(otlp, _)| &otlp.sampler);
    let kind = opentelemetry::trace::SpanKind::Server;
    let result = sampler.should_sample(None, trace_id, "", &kind, &[], &[]);
    result.decision == SamplingDecision::RecordAndSample
}

/// What traces and metrics report about a service.
pub(crate) fn resource_of(service: &'static str) -> Resource {
    // The SDK's own detectors read OTEL_RESOURCE_ATTRIBUTES.
    Resource::builder()
        .with_attribute(KeyValue::new("service.name", service))
        .with_attribute(KeyValue::new("service.namespace", "sso-lab"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build()
}
