//! Each operation as a span, written once for all stores. A span names the
//! operation and the store, never a key: keys are made from bearer secrets.

use std::time::Duration;

use bytes::Bytes;
use kit::telemetry::names::span;
use tracing::{Instrument as _, Span, field::Empty};

use crate::{Store, StoreError};

/// A store whose operations are spans (names by OpenTelemetry's database conventions).
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
}

#[cfg(test)]
mod tests {
    use std::{
        fmt::{Debug, Write as _},
        sync::{Arc, Mutex},
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
