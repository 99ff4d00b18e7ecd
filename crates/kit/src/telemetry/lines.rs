//! Log lines. Each line of a request names its trace and its service, even if the trace is
//! not sampled. Both come from [`context`](super::context), since an
//! unsampled request has no span.

use std::fmt::{self, Debug};

use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Full, Writer},
        time::{FormatTime as _, SystemTime},
    },
    registry::LookupSpan,
};

use super::context::log_fields;

/// A JSON object for each line.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let metadata = event.metadata();
        let mut line = Map::new();
        let mut say = |key: &str, value: String| {
            line.insert(key.to_owned(), Value::String(value));
        };
        say("timestamp", time);
        say("level", metadata.level().to_string());
        say("target", metadata.target().to_owned());
        if let Some((service, trace_id)) = log_fields() {
            say("service", service.to_owned());
            say("trace_id", trace_id.to_string());
        }
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        line.insert("fields".to_owned(), Value::Object(fields.0));
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// An event's fields.
struct Fields(Map<String, Value>);

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }
}

/// Text for a terminal.
pub(super) struct Text(Format<Full>);

impl Text {
    /// With or without colours.
    pub(super) fn new(ansi: bool) -> Self {
        Self(Format::default().with_ansi(ansi).with_target(false))
    }
}

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some((service, trace_id)) = log_fields() else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end_matches('\n');
        writeln!(writer, "{line} service={service} trace_id={trace_id}")
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::{fmt::MakeWriter, layer::SubscriberExt as _};

    use super::*;
    use crate::telemetry::context::TraceContext;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Written {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    impl Written {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn a_json_line_has_its_fields_by_their_types() {
        let written = Written::default();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(Json)
            .with_writer(written.clone());
        let subscriber = tracing_subscriber::registry().with(layer);
        let context = TraceContext::untraced("api-1");
        tracing::subscriber::with_default(subscriber, || {
            context.sync_scope(|| {
                tracing::warn!(count = 3, who = "a \"b\"\n", yes = true, "said {}", 1);
            });
            tracing::info!("outside");
        });
        let text = written.text();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let [inside, outside] = &lines[..] else {
            panic!("two lines: {text}")
        };
        assert_eq!(inside["level"], "WARN");
        assert_eq!(inside["service"], "api-1");
        assert_eq!(inside["trace_id"], context.trace_id());
        let fields = &inside["fields"];
        assert_eq!(fields["count"], 3);
        assert_eq!(fields["who"], "a \"b\"\n");
        assert_eq!(fields["yes"], true);
        assert_eq!(fields["message"], "said 1");
        assert!(outside.get("trace_id").is_none() && outside.get("service").is_none());
        assert!(outside["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_text_line_ends_with_them() {
        let written = Written::default();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(Text::new(false))
            .with_writer(written.clone());
        let subscriber = tracing_subscriber::registry().with(layer);
        let context = TraceContext::untraced("api-1");
        tracing::subscriber::with_default(subscriber, || {
            context.sync_scope(|| tracing::info!(n = 1, "inside"));
            tracing::info!("outside");
        });
        let text = written.text();
        let end = format!("inside n=1 service=api-1 trace_id={}\n", context.trace_id());
        let (inside, outside) = text.split_at(text.find('\n').unwrap() + 1);
        assert!(inside.ends_with(&end), "{text}");
        assert!(outside.ends_with("outside\n"), "{text}");
    }
}
