//! Traces and logs. Spans are made with `tracing` under the target
//! [`names::TARGET`]; with no OTLP endpoint there is no layer for them, and a
//! request that is not sampled has none ([`place`]).

mod caller;
mod export;
mod ids;
pub mod journey;
mod lines;
pub mod names;
pub mod place;
pub mod propagation;
mod routed;

use std::{io::IsTerminal as _, time::Duration};

pub use caller::caller;
pub(crate) use export::metric_reader;
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchSpanProcessor, Sampler, SamplingDecision, SdkTracerProvider, ShouldSample as _},
};
pub use routed::ServiceTag;
use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, Registry, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// How long the end of the process waits for a collector to take the spans that are left.
const FLUSH: Duration = Duration::from_secs(3);

/// A span for one step inside a request. Outside of a request (or where
/// nothing traces it) there is none: a step alone would be a trace without a root.
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

/// What is traced until [`Telemetry::flush`].
#[derive(Default)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logs, and traces where an OTLP endpoint is set, for the services of
/// this process; each service's spans keep their own `service.name`. Call it
/// once, inside a runtime. `Err` says what in `OTEL_*` is wrong.
pub fn init(services: &[&'static str], format: LogFormat) -> Result<Telemetry, String> {
    export::check_metrics()?;
    let provider = if export::traces_wanted() {
        Some(provider(services)?)
    } else {
        None
    };
    let spans = provider.as_ref().map(|provider| {
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
    let lines: Targets = match variable("RUST_LOG") {
        Some(text) => text.parse().map_err(|e| format!("RUST_LOG: {e}"))?,
        None => Targets::new()
            .with_default(Level::INFO)
            .with_target("actix_server", Level::WARN),
    };
    // Spans are for the trace; a log line that repeated them would say everything twice.
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
    // Only those that there are: an absent one (`None`) would keep every span alive.
    let layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> =
        spans.into_iter().chain([log]).collect();
    tracing_subscriber::registry()
        .with(layers)
        .try_init()
        .map_err(|e| e.to_string())?;
    Ok(Telemetry { provider })
}

impl Telemetry {
    /// Sends what has not been sent yet; for every way out of the process.
    pub async fn flush(self) {
        // The exporters need the runtime, which a blocking shutdown would hold up.
        let flushed = tokio::task::spawn_blocking(move || {
            std::thread::scope(|scope| {
                scope.spawn(crate::metrics::flush);
                if let Some(provider) = self.provider
                    && let Err(error) = provider.shutdown_with_timeout(FLUSH)
                {
                    tracing::warn!("spans were lost at the end: {error}");
                }
            });
        });
        // It fails only where it panicked, which is said then.
        let _ = flushed.await;
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn provider(services: &[&'static str]) -> Result<SdkTracerProvider, String> {
    let processors = services
        .iter()
        .map(|service| {
            Ok((
                *service,
                BatchSpanProcessor::builder(export::spans()?).build(),
            ))
        })
        .collect::<Result<Vec<_>, String>>()?;
    Ok(SdkTracerProvider::builder()
        .with_id_generator(ids::KnownIds::default())
        .with_sampler(Sampler::ParentBased(Box::new(root_sampler())))
        .with_span_processor(routed::Routed::new(processors))
        .build())
}

/// `OTEL_TRACES_SAMPLER`, for traces that begin here. The whole process uses
/// this one, so that what is decided before a span is made and the SDK agree.
fn root_sampler() -> Sampler {
    let ratio = variable("OTEL_TRACES_SAMPLER_ARG")
        .and_then(|arg| arg.parse().ok())
        .unwrap_or(1.0);
    match variable("OTEL_TRACES_SAMPLER").as_deref() {
        Some("always_off" | "parentbased_always_off") => Sampler::AlwaysOff,
        Some("traceidratio" | "parentbased_traceidratio") => Sampler::TraceIdRatioBased(ratio),
        _ => Sampler::AlwaysOn,
    }
}

/// Whether a trace with this id that begins here is sampled.
fn is_sampled(trace_id: opentelemetry::trace::TraceId) -> bool {
    static SAMPLER: std::sync::LazyLock<Sampler> = std::sync::LazyLock::new(root_sampler);
    let kind = opentelemetry::trace::SpanKind::Server;
    let result = SAMPLER.should_sample(None, trace_id, "", &kind, &[], &[]);
    result.decision == SamplingDecision::RecordAndSample
}

/// What traces and metrics say of a service.
pub fn resource_of(service: &'static str) -> Resource {
    // The SDK's own detectors read OTEL_RESOURCE_ATTRIBUTES.
    Resource::builder()
        .with_attribute(KeyValue::new("service.name", service))
        .with_attribute(KeyValue::new("service.namespace", "sso-lab"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build()
}
