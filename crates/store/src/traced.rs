//! Each operation counted and as a span, written once for all stores. A span names the
//! operation and the store, never a key: keys are made from bearer secrets.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kit::{clock::Timestamp, telemetry::names::span};
use tracing::{Instrument as _, Span, field::Empty};

use crate::{Store, StoreError, Watch, Watcher, spent};

/// A store whose operations are counted ([`spent`]) and spans (names by OpenTelemetry's database conventions).
pub struct Traced<S>(S);

impl<S: Store> Traced<S> {
    /// Traces `store`.
    pub fn new(store: S) -> Self {
        Self(store)
    }

    async fn step<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        spent::add(1);
        let step: Span = kit::step!(
            span::STORE,
            "otel.kind" = "client",
            "otel.status_code" = Empty,
            "otel.status_description" = Empty,
            "db.system.name" = self.0.kind(),
            "db.operation.name" = operation,
        );
        let outcome = work.instrument(step.clone()).await;
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
        self.0.kind()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.step("ping", self.0.ping()).await
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), StoreError> {
        self.step("put", self.0.put(key, value, ttl)).await
    }

    async fn put_new(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, StoreError> {
        self.step("put_new", self.0.put_new(key, value, ttl)).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.step("get", self.0.get(key)).await
    }

    async fn take(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.step("take", self.0.take(key)).await
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
            self.0.compare_and_swap(key, expected, new, ttl),
        )
        .await
    }

    async fn remove(&self, key: &str) -> Result<bool, StoreError> {
        self.step("remove", self.0.remove(key)).await
    }

    async fn count(&self, key: &str, ttl: Duration) -> Result<u64, StoreError> {
        self.step("count", self.0.count(key, ttl)).await
    }

    async fn lease(&self, key: &str, holder: &str, ttl: Duration) -> Result<bool, StoreError> {
        self.step("lease", self.0.lease(key, holder, ttl)).await
    }

    async fn release(&self, key: &str, holder: &str) -> Result<bool, StoreError> {
        self.step("release", self.0.release(key, holder)).await
    }

    async fn rank(
        &self,
        key: &str,
        member: &str,
        at: Timestamp,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        self.step("rank", self.0.rank(key, member, at, ttl)).await
    }

    async fn ranked(
        &self,
        key: &str,
        from: Timestamp,
        limit: usize,
    ) -> Result<Vec<(String, Timestamp)>, StoreError> {
        self.step("ranked", self.0.ranked(key, from, limit)).await
    }

    async fn unrank(&self, key: &str, member: &str) -> Result<bool, StoreError> {
        self.step("unrank", self.0.unrank(key, member)).await
    }

    async fn claim(
        &self,
        key: &str,
        due: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.step("claim", self.0.claim(key, due, until, limit))
            .await
    }

    fn watch(&self, prefix: &str, watcher: Arc<dyn Watcher>) -> Option<Watch> {
        self.0.watch(prefix, watcher)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fmt::{Debug, Write as _},
        sync::Mutex,
    };

    use kit::clock::SystemClock;
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
