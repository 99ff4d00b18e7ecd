//! A watcher that remembers.

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use crate::{RedisStore, Store as _, Watch, Watcher};

/// Far longer than anything here takes.
pub(in crate::redis) const PATIENCE: Duration = Duration::from_secs(120);

/// Writes down what it is told, and whether the watch was current just then.
#[derive(Default)]
pub(in crate::redis) struct Recorder {
    watch: OnceLock<Watch>,
    told: Mutex<Vec<(String, bool)>>,
}

/// Stands for all keys.
pub(in crate::redis) const ALL: &str = "*";

impl Recorder {
    /// One that watches `prefix` and knows that it is current.
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

    fn note(&self, what: &str) {
        let current = self.is_current();
        self.told.lock().unwrap().push((what.to_owned(), current));
    }

    pub(in crate::redis) fn was_told(&self, what: &str) -> bool {
        let told = self.told.lock().unwrap();
        told.iter().any(|(key, _)| key == what || key == ALL)
    }

    /// What it was told, and whether the watch was current then.
    pub(in crate::redis) fn told(&self) -> Vec<(String, bool)> {
        self.told.lock().unwrap().clone()
    }

    pub(in crate::redis) fn forget(&self) {
        self.told.lock().unwrap().clear();
    }
}

impl Watcher for Recorder {
    fn invalidate(&self, key: &str) {
        self.note(key);
    }
    fn invalidate_all(&self) {
        self.note(ALL);
    }
}

pub(in crate::redis) async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < deadline, "never {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
