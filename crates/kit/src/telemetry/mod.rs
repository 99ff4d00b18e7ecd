//! Traces and logs. Spans are made with `tracing` under the target
//! [`names::TARGET`]; without an OTLP endpoint and without a lab there is no layer for
//! them, and an unsampled request has no span ([`context`]).

mod caller;
pub mod context;
mod delivery;
mod export;
mod ids;
pub mod items;
mod lines;
pub mod login_trace;
pub mod names;
pub mod page;
pub mod propagation;
mod routed;
mod sampler;
mod settings;
mod waivers;

use std::{io::IsTerminal as _, sync::OnceLock, time::Duration};

pub use caller::caller;
pub use delivery::{JourneySpan, deliver_to};
pub(crate) use export::count_exports;
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_sdk::{
    Resource,
    metrics::{Instrument, SdkMeterProvider, Stream, reader::MetricReader},
    trace::{
        BatchConfigBuilder, BatchSpanProcessor, BatchSpanProcessorBuilder, Sampler,
        SamplingDecision, SdkTracerProvider, ShouldSample as _,
    },
};
use parking_lot::Mutex;
pub use routed::ServiceTag;
use routed::{Exporters, Routed};
use sampler::JourneysToo;
use settings::{Settings, Target};
use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    layer::SubscriberExt as _,
    util::{SubscriberInitExt as _, TryInitError},
};
pub use waivers::Waivers;

use crate::{
    config::{Lab, Problems, is_blank},
    journey,
    net::Trust,
};

/// How long the end of the process waits for a collector to accept the last spans.
const FLUSH: Duration = Duration::from_secs(3);
/// How long a journey's span waits for others before it is sent to the lab.
const LAB_DELAY: Duration = Duration::from_millis(20);

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

/// A span that begins a trace of its own: for [`TraceContext::root`](context::TraceContext).
#[macro_export]
macro_rules! root_step {
    ($name:expr $(, $($fields:tt)*)?) => {
        ::tracing::info_span!(target: "sso", $name $(, $($fields)*)?)
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
                    .with_target("actix_server", Level::WARN)
                    // An error line for each malformed request of a stranger.
                    .with_target("actix_http::h1::dispatcher", LevelFilter::OFF),
            ),
        };
        Some(Self {
            otlp: otlp?,
            lines: lines?,
        })
    }

    /// Starts logs, and traces if an OTLP endpoint is set or this process is part of a
    /// `lab`, for the services of this process; each service's spans have its own
    /// `service.name`. `trust` has the certificate authorities for the collector. Call it
    /// once, inside a runtime.
    pub fn start(
        mut self,
        services: &[&'static str],
        format: LogFormat,
        trust: &Trust,
        lab: Option<&Lab>,
    ) -> Result<Telemetry, Problems> {
        if self.otlp.traces.is_none() {
            self.otlp.sampler = Sampler::AlwaysOff;
        }
        let is_traced = self.otlp.traces.is_some() || lab.is_some();
        let provider = is_traced
            .then(|| provider(services, &self.otlp, lab, trust))
            .transpose()
            .map_err(|what| Problems::one(settings::ENDPOINT, what))?;
        log(provider.as_ref(), self.lines, format)
            .map_err(|error| Problems::one("telemetry", error))?;
        if let Some((lab, provider)) = lab.zip(provider.as_ref()) {
            page::start(provider.tracer("sso-lab"));
            journey::recognize(&lab.keys);
        }
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
    std::env::var(name).ok().filter(|value| !is_blank(value))
}

fn provider(
    services: &[&'static str],
    otlp: &Settings,
    lab: Option<&Lab>,
    trust: &Trust,
) -> Result<SdkTracerProvider, String> {
    let to_lab = lab.and_then(Target::of_lab);
    let exporters = services
        .iter()
        .map(|service| {
            let all = otlp.traces.as_ref();
            let all = all.map(|target| export::spans(service, target, trust));
            let journeys = to_lab.as_ref();
            let journeys = journeys.map(|target| export::spans(service, target, trust));
            Ok(Exporters {
                service,
                all: all
                    .transpose()?
                    .map(BatchSpanProcessor::builder)
                    .map(BatchSpanProcessorBuilder::build),
                journeys: journeys.transpose()?.map(|journeys| {
                    let soon = BatchConfigBuilder::default().with_scheduled_delay(LAB_DELAY);
                    BatchSpanProcessor::builder(journeys)
                        .with_batch_config(soon.build())
                        .build()
                }),
            })
        })
        .collect::<Result<Vec<_>, String>>()?;
    Ok(SdkTracerProvider::builder()
        .with_id_generator(ids::KnownIds::default())
        .with_sampler(JourneysToo::new(&otlp.sampler))
        .with_span_processor(Routed::new(exporters))
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
        .with_view(only_its_series)
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

/// Makes room for the series that the registry lists. The SDK would make room for 2,000
/// series of each instrument, which is 130 KB that the first series spread out over.
fn only_its_series(instrument: &Instrument) -> Option<Stream> {
    let metric = names::METRICS
        .iter()
        .find(|metric| metric.name == instrument.name())?;
    Stream::builder()
        .with_cardinality_limit(metric.series())
        .build()
        .ok()
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

/// Whether the spans of this process go to a collector.
fn has_collector() -> bool {
    let started = STARTED.get();
    started.is_none_or(|(otlp, _)| otlp.traces.is_some())
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
