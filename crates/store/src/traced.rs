//! Every operation is counted, and is a span. A span names the operation, the store and
//! the kind of the record, never a key: keys are derived from bearer secrets.

use std::{sync::Arc, time::Instant};

use kit::{
    lab_control::{Control, Fault},
    metrics::Timer,
    telemetry::names::{OK, span},
};
use tracing::{Instrument as _, Span, field::Empty};

use crate::{SharedStore, Store, StoreError, Watch, Watcher, op_count};

/// A store whose operations are counted ([`op_count`](crate::op_count)), measured for
/// a service ([`measured`](crate::measured)) and traced as spans (with the names of
/// OpenTelemetry's database conventions). A lab can switch it away for that service.
pub struct Traced<S> {
    store: Arc<S>,
    latency: Option<Timer>,
    control: Option<Arc<Control>>,
}

impl<S: Store> Traced<S> {
    /// Traces `store`.
    pub fn new(store: S) -> Self {
        Self {
            store: Arc::new(store),
            latency: None,
            control: None,
        }
    }

    async fn step<T>(
        &self,
        operation: &'static str,
        key: &str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        op_count::add(1);
        let started = self.latency.as_ref().map(|_| Instant::now());
        let step: Span = kit::step!(
            span::STORE,
            "otel.status_code" = Empty,
            "otel.status_description" = Empty,
            "db.system.name" = self.store.kind(),
            "db.operation.name" = operation,
            "db.collection.name" = kind_of(key),
            "sso.fault" = Empty,
        );
        let outcome = if self.is_away() {
            step.record("sso.fault", Fault::StoreAway.name());
            let why = "the lab has switched the store away";
            Err(StoreError::Unreachable(why.to_owned()))
        } else {
            work.instrument(step.clone()).await
        };
        if let (Some(latency), Some(started)) = (&self.latency, started) {
            let how = if outcome.is_ok() { OK } else { "error" };
            latency.record(&[operation, how], started.elapsed());
        }
        if let Err(error) = &outcome {
            step.record("otel.status_code", "ERROR");
            step.record("otel.status_description", error.to_string());
        }
        outcome
    }

    fn is_away(&self) -> bool {
        let control = self.control.as_ref();
        control.is_some_and(|control| control.is(Fault::StoreAway))
    }
}

/// The kind of the record at `key`: `session` of `bff:app1:session:<id>`, `grant` of
/// `idp:grant:<id>`. A key of another form has none, because a part of it might be secret.
fn kind_of(key: &str) -> &str {
    /// The longest kind.
    const LONGEST: usize = 32;
    let of_app = key.strip_prefix("bff:").and_then(|key| key.split_once(':'));
    let rest = of_app.or_else(|| key.split_once(':'));
    let kind = rest.and_then(|(_, rest)| Some(rest.split_once(':')?.0));
    let is_kind = |kind: &&str| {
        let is_known = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        kind.len() <= LONGEST && kind.bytes().all(is_known)
    };
    kind.filter(is_kind).unwrap_or_default()
}

crate::wrap_store! {
    impl [<S: Store>] for Traced<S>, store, step;

    fn kind(&self) -> &'static str {
        self.store.kind()
    }

    fn watch(&self, prefix: &str, watcher: Arc<dyn Watcher>) -> Option<Watch> {
        self.store.watch(prefix, watcher)
    }

    fn of_service(&self, latency: Timer, control: Option<Arc<Control>>) -> Option<SharedStore> {
        Some(Arc::new(Self {
            store: Arc::clone(&self.store),
            latency: Some(latency),
            control,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fmt::{Debug, Write as _},
        sync::Mutex,
        time::Duration,
    };

    use bytes::Bytes;
    use kit::{
        clock::{ManualClock, SystemClock, Timestamp},
        config::Site,
        lab_control::Setting,
        telemetry::names::metric,
    };
    use tracing::{
        Subscriber,
        field::{Field, Visit},
        span::{Attributes, Id},
    };
    use tracing_subscriber::{
        Layer,
        layer::{Context, SubscriberExt as _},
    };

    use super::*;
    use crate::{MemoryStore, Values as _};

    /// Records the fields of all new spans.
    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<String>>);

    impl Visit for Seen {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            write!(self.0.lock().unwrap(), "{field}={value:?} ").unwrap();
        }
    }

    impl<S: Subscriber> Layer<S> for Seen {
        fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
            write!(
                self.0.lock().unwrap(),
                "[{}] ",
                attributes.metadata().name()
            )
            .unwrap();
            attributes.record(&mut self.clone());
        }
    }

    #[tokio::test]
    async fn each_service_times_its_own_operations_on_the_one_store() {
        let store: SharedStore = Arc::new(Traced::new(MemoryStore::new(Arc::new(SystemClock))));
        let services = ["idp", "api-1"].map(|name| kit::metrics::Metrics::new(name).unwrap());
        let [idp, api1] = services
            .each_ref()
            .map(|metrics| crate::measured(&store, metrics));
        idp.put("k", Bytes::from_static(b"v"), Duration::from_secs(9))
            .await
            .unwrap();
        for _ in 0..2 {
            assert!(api1.get("k").await.unwrap().is_some(), "the same store");
        }
        api1.increment("k", Duration::from_secs(9))
            .await
            .unwrap_err();
        let counts = |metrics: &kit::metrics::Metrics, operation: &str, outcome: &str| {
            let text = String::from_utf8(metrics.text()).unwrap();
            let line = text.lines().find(|line| {
                line.starts_with(&format!("{}_count", metric::STORE.prometheus()))
                    && line.contains(&format!("\"{operation}\""))
                    && line.contains(&format!("\"{outcome}\""))
            });
            line.unwrap().rsplit(' ').next().unwrap().to_owned()
        };
        assert_eq!(counts(&services[0], "put", "ok"), "1");
        assert_eq!(counts(&services[0], "get", "ok"), "0");
        assert_eq!(counts(&services[1], "get", "ok"), "2");
        assert_eq!(counts(&services[1], "count", "error"), "1");
    }

    #[tokio::test]
    async fn the_lab_switches_the_store_away_for_one_service_and_its_time() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1000)));
        let control = Control::new("idp", Site::Idp, Arc::<ManualClock>::clone(&clock));
        let control = Arc::new(control);
        let metrics = kit::metrics::Metrics::new("idp").unwrap();
        let timer = || metrics.timer(&metric::STORE);
        let store = Traced::new(MemoryStore::new(Arc::<ManualClock>::clone(&clock)));
        let other = store.of_service(timer(), None).unwrap();
        let store = store.of_service(timer(), Some(Arc::clone(&control)));
        let store = store.unwrap();
        let put = || store.put("k", Bytes::from_static(b"v"), Duration::from_mins(1));
        put().await.unwrap();
        let setting = Setting::new(Site::Idp, "store-away", Some(5), None);
        control.set(setting.unwrap());
        let error = store.get("k").await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable(_)), "{error}");
        store.take("k").await.unwrap_err();
        store.ping().await.unwrap_err();
        assert!(other.get("k").await.unwrap().is_some());
        clock.advance(Duration::from_secs(5));
        assert!(store.get("k").await.unwrap().is_some(), "nothing was taken");
    }

    #[tokio::test]
    async fn a_span_names_the_operation_and_the_store_and_no_key() {
        let seen = Seen::default();
        let subscriber = tracing_subscriber::registry().with(seen.clone());
        let _guard = tracing::subscriber::set_default(subscriber);
        let store = Traced::new(MemoryStore::new(Arc::new(SystemClock)));
        let request = tracing::info_span!("request");
        store.take("s3cret-key").instrument(request).await.unwrap();
        let seen = seen.0.lock().unwrap();
        assert!(seen.contains("[store]"), "{seen}");
        assert!(seen.contains(r#"db.operation.name="take""#), "{seen}");
        assert!(seen.contains(r#"db.system.name="memory""#), "{seen}");
        assert!(!seen.contains("s3cret"), "{seen}");
    }

    #[test]
    fn a_span_names_the_kind_of_its_record() {
        for (key, kind) in [
            ("bff:app1:session:Fq3_x", "session"),
            ("bff:app2:logins-user:Fq3_x", "logins-user"),
            ("bff:app1:budget:logins:3", "budget"),
            ("idp:authorization:Fq3_x", "authorization"),
            ("idp:jti:app1:Fq3_x", "jti"),
            ("api-1:dpop:Fq3_x", "dpop"),
            ("s3cret", ""),
            ("idp:s3cret", ""),
            ("idp:S3cret:x", ""),
            ("", ""),
        ] {
            assert_eq!(kind_of(key), kind, "{key}");
        }
    }
}
