//! A watcher that records invalidations.

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use crate::{RedisStore, Store as _, Watch, Watcher};

/// How long anything may take: far longer than it does.
pub(in crate::redis) const TIMEOUT: Duration = Duration::from_secs(120);

/// Records each invalidation, and whether the watch was current at the time.
#[derive(Default)]
pub(in crate::redis) struct Recorder {
    watch: OnceLock<Watch>,
    seen: Mutex<Vec<(String, bool)>>,
}

/// The name for all keys.
pub(in crate::redis) const ALL: &str = "*";

impl Recorder {
    /// A recorder that watches `prefix`, once its watch is current.
    pub(in crate::redis) async fn on(store: &RedisStore, prefix: &str) -> Arc<Self> {
        let recorder = Arc::new(Self::default());
        let watch = store.watch(prefix, recorder.clone()).unwrap();
        assert!(recorder.watch.set(watch).is_ok());
        until("current", || recorder.is_current()).await;
        recorder
    }

    pub(in crate::redis) fn is_current(&self) -> bool {
        self.watch.get().is_some_and(Watch::is_current)
    }

    fn record(&self, what: &str) {
        let current = self.is_current();
        self.seen.lock().unwrap().push((what.to_owned(), current));
    }

    pub(in crate::redis) fn saw(&self, what: &str) -> bool {
        let seen = self.seen.lock().unwrap();
        seen.iter().any(|(key, _)| key == what || key == ALL)
    }

    /// The invalidated keys, and whether the watch was current at the time.
    pub(in crate::redis) fn seen(&self) -> Vec<(String, bool)> {
        self.seen.lock().unwrap().clone()
    }

    pub(in crate::redis) fn clear(&self) {
        self.seen.lock().unwrap().clear();
    }
}

impl Watcher for Recorder {
    fn invalidate(&self, key: &str) {
        self.record(key);
    }

    fn invalidate_all(&self) {
        self.record(ALL);
    }
}

/// Waits until `reached`.
pub(in crate::redis) async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !reached() {
        assert!(Instant::now() < deadline, "never {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
