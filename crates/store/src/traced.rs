//! Each operation counted and as a span, written once for all stores. A span names the
//! operation and the store, never a key: keys are made from bearer secrets.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use kit::{
    clock::Timestamp,
    metrics::Timer,
    telemetry::names::{OK, span},
};
use tracing::{Instrument as _, Span, field::Empty};

use crate::{Allowance, Entry, SharedStore, Store, StoreError, Watch, Watcher, op_count};

/// A store whose operations are counted ([`op_count`](crate::op_count)), timed where a service asks
/// for it ([`measured`](crate::measured)) and spans (names by OpenTelemetry's
/// database conventions).
pub struct Traced<S> {
    store: Arc<S>,
    latency: Option<Timer>,
}

impl<S: Store> Traced<S> {
    /// Traces `store`.
    pub fn new(store: S) -> Self {
        Self {
            store: Arc::new(store),
            latency: None,
        }
    }

    async fn step<T>(
        &self,
        operation: &'static str,
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
        );
        let outcome = work.instrument(step.clone()).await;
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
}

#[async_trait::async_trait]
impl<S: Store> Store for Traced<S> {
    fn kind(&self) -> &'static str {
        self.store.kind()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.step("ping", self.store.ping()).await
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), StoreError> {
        self.step("put", self.store.put(key, value, ttl)).await
    }

    async fn put_new(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, StoreError> {
        self.step("put_new", self.store.put_new(key, value, ttl))
            .await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.step("get", self.store.get(key)).await
    }

    async fn take(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.step("take", self.store.take(key)).await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: &[u8],
        new: Bytes,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        self.step(
            "compare_and_swap",
            self.store.compare_and_swap(key, expected, new, ttl),
        )
        .await
    }

    async fn remove(&self, key: &str) -> Result<bool, StoreError> {
        self.step("remove", self.store.remove(key)).await
    }

    async fn increment(&self, key: &str, ttl: Duration) -> Result<u64, StoreError> {
        self.step("count", self.store.increment(key, ttl)).await
    }

    async fn decrement(&self, key: &str) -> Result<(), StoreError> {
        self.step("uncount", self.store.decrement(key)).await
    }

    async fn lease(&self, key: &str, holder: &str, ttl: Duration) -> Result<bool, StoreError> {
        self.step("lease", self.store.lease(key, holder, ttl)).await
    }

    async fn release(&self, key: &str, holder: &str) -> Result<bool, StoreError> {
        self.step("release", self.store.release(key, holder)).await
    }

    async fn add_scored(
        &self,
        key: &str,
        member: &str,
        at: Timestamp,
        ttl: Duration,
    ) -> Result<u64, StoreError> {
        self.step("rank", self.store.add_scored(key, member, at, ttl))
            .await
    }

    async fn range(
        &self,
        key: &str,
        from: Timestamp,
        limit: usize,
    ) -> Result<Vec<(String, Timestamp)>, StoreError> {
        self.step("ranked", self.store.range(key, from, limit))
            .await
    }

    async fn count_range(&self, key: &str, from: Timestamp) -> Result<u64, StoreError> {
        self.step("ranked_count", self.store.count_range(key, from))
            .await
    }

    async fn score(&self, key: &str, member: &str) -> Result<Option<Timestamp>, StoreError> {
        self.step("ranked_at", self.store.score(key, member)).await
    }

    async fn remove_scored(&self, key: &str, member: &str) -> Result<bool, StoreError> {
        self.step("unrank", self.store.remove_scored(key, member))
            .await
    }

    async fn claim(
        &self,
        key: &str,
        due: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.step("claim", self.store.claim(key, due, until, limit))
            .await
    }

    async fn admit(
        &self,
        key: &str,
        entry: &Entry,
        times: (Timestamp, Timestamp),
        allowance: &Allowance,
    ) -> Result<Option<Vec<Entry>>, StoreError> {
        self.step("admit", self.store.admit(key, entry, times, allowance))
            .await
    }

    fn watch(&self, prefix: &str, watcher: Arc<dyn Watcher>) -> Option<Watch> {
        self.store.watch(prefix, watcher)
    }

    fn timed(&self, latency: Timer) -> Option<SharedStore> {
        Some(Arc::new(Self {
            store: Arc::clone(&self.store),
            latency: Some(latency),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fmt::{Debug, Write as _},
        sync::Mutex,
    };

    use kit::{clock::SystemClock, telemetry::names::metric};
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
    use crate::MemoryStore;

    /// Writes down all that new spans carry.
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
}
