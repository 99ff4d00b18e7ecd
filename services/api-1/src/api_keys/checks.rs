//! The keys of a running process, and the check of a call.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use kit::{
    clock::Clock,
    metrics::Counter,
    shutdown::Shutdown,
    telemetry::names::{OK, span},
};
use parking_lot::RwLock;
use tracing::field::Empty;
use web_kit::{client::AddrBucket, failures::Failures};

use super::{
    file::{File, FileError},
    key::{KeyCaller, KeyRecord, id_of},
};

/// How often the file is looked at: a revoked key is refused this much later at most.
pub(crate) const REREAD: Duration = Duration::from_secs(1);

/// The keys by id.
type Keys = HashMap<String, KeyRecord>;

/// The API keys of this process.
pub(crate) struct ApiKeys {
    file: File,
    keys: RwLock<Arc<Keys>>,
    failures: Failures,
    clock: Arc<dyn Clock>,
    checks: Counter,
}

/// Why a key is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No key is this one, or it has ended.
    Invalid,
    /// Too many wrong keys with this id, or with an unknown one, came from this address.
    TooMany(Duration),
}

impl ApiKeys {
    /// Those of `file`, which must be readable if it is there; `checks` counts the checks.
    pub(crate) fn open(
        file: File,
        clock: Arc<dyn Clock>,
        checks: Counter,
    ) -> Result<Self, FileError> {
        let keys = by_id(file.read()?);
        Ok(Self {
            file,
            keys: RwLock::new(Arc::new(keys)),
            failures: Failures::default(),
            clock,
            checks,
        })
    }

    /// The caller with the key `text`, from the address `from`.
    pub(crate) fn check(&self, text: &str, from: AddrBucket) -> Result<KeyCaller, Refused> {
        let step = kit::step!(span::API_KEY_CHECK, "sso.outcome" = Empty);
        let checked = self.checked(text, from);
        let outcome = match &checked {
            Ok(_) => OK,
            Err(Refused::Invalid) => "invalid",
            Err(Refused::TooMany(_)) => "throttled",
        };
        step.record("sso.outcome", outcome);
        self.checks.add(&[outcome]);
        checked
    }

    fn checked(&self, text: &str, from: AddrBucket) -> Result<KeyCaller, Refused> {
        let now = self.clock.now();
        let keys = self.keys.read().clone();
        let record = id_of(text).and_then(|id| keys.get(id));
        // By key, so that guesses never stop the owner of another key at the same address.
        let id = record.map(|record| record.id.as_str());
        let is_right = || record.is_some_and(|record| record.is(text, now));
        match self.failures.check(id, from, now, is_right) {
            Ok(true) => record.map(KeyRecord::caller).ok_or(Refused::Invalid),
            Ok(false) => Err(Refused::Invalid),
            Err(wait) => Err(Refused::TooMany(wait)),
        }
    }

    /// Counts a valid key that does not allow the call.
    pub(crate) fn count_insufficient_scope(&self) {
        self.checks.add(&["insufficient_scope"]);
    }

    /// Reads the file again whenever it changes, until the shutdown. While it cannot be
    /// read, no key is valid: a key that was revoked must not come back.
    pub(crate) async fn keep_fresh(self: Arc<Self>, shutdown: Shutdown) {
        let mut stamp = None;
        let mut said = String::new();
        loop {
            let pause = tokio::time::sleep(REREAD);
            if shutdown.unless_begun(pause).await.is_none() {
                return;
            }
            let (file, known) = (self.file.clone(), stamp);
            let reading = tokio::task::spawn_blocking(move || changed(&file, known.as_ref()));
            let Ok((now, read)) = reading.await else {
                continue;
            };
            stamp = now;
            match read {
                None => {}
                Some(Ok(keys)) => {
                    *self.keys.write() = Arc::new(by_id(keys));
                    said.clear();
                }
                Some(Err(error)) => {
                    *self.keys.write() = Arc::default();
                    // It is tried again each time, and said once.
                    stamp = None;
                    let error = error.to_string();
                    if said != error {
                        tracing::error!("no API key is valid until the file can be read: {error}");
                        said = error;
                    }
                }
            }
        }
    }
}

/// What tells that a file has changed: its time and its size.
type Stamp = (SystemTime, u64);

/// The file's stamp, and its keys where that is another one than `known`.
fn changed(
    file: &File,
    known: Option<&Stamp>,
) -> (Option<Stamp>, Option<Result<Vec<KeyRecord>, FileError>>) {
    // Taken before the content: a later change has another one.
    let stamp = file.stamp();
    if stamp.is_some() && stamp.as_ref() == known {
        return (stamp, None);
    }
    let read = file.read();
    (stamp, Some(read))
}

fn by_id(keys: Vec<KeyRecord>) -> Keys {
    let keys = keys.into_iter();
    keys.map(|key| (key.id.clone(), key)).collect()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use kit::{
        clock::{ManualClock, Timestamp},
        metrics::Metrics,
        random::SeededRandom,
        telemetry::names::metric,
    };
    use web_kit::client::ClientAddr;

    use super::*;
    use crate::READ;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn from(n: u32) -> AddrBucket {
        ClientAddr::from(IpAddr::from(n.to_be_bytes())).bucket()
    }

    fn open(file: &File) -> (Arc<ManualClock>, Arc<ApiKeys>) {
        let clock = Arc::new(ManualClock::new(NOW));
        let metrics = Metrics::new("tested").unwrap();
        let checks = metrics.counter(&metric::API_KEY_CHECKS);
        let keys = ApiKeys::open(file.clone(), clock.clone(), checks).unwrap();
        (clock, Arc::new(keys))
    }

    #[tokio::test]
    async fn a_file_that_changes_is_read_again_and_one_that_cannot_be_read_has_no_keys() {
        let home = tempfile::tempdir().unwrap();
        let file = File::at(home.path().join("keys.json"));
        let (_, keys) = open(&file);
        let shutdown = Shutdown::new();
        let fresh = tokio::spawn(keys.clone().keep_fresh(shutdown.clone()));
        let key = file.add("shop", &[READ.to_owned()], DAY, NOW, &SeededRandom::new(1));
        let key = key.unwrap();
        let until = async |wanted: Result<&str, Refused>| {
            let wanted = wanted.map(str::to_owned);
            loop {
                // From another address each time, so that no failure counts.
                let from = from(rand_like());
                let found = keys.check(&key.text, from).map(|caller| caller.name);
                if found == wanted {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let soon = Duration::from_secs(20);
        tokio::time::timeout(soon, until(Ok("shop"))).await.unwrap();
        let before = std::fs::read(file.path()).unwrap();
        std::fs::write(file.path(), "broken").unwrap();
        tokio::time::timeout(soon, until(Err(Refused::Invalid)))
            .await
            .unwrap();
        std::fs::write(file.path(), before).unwrap();
        tokio::time::timeout(soon, until(Ok("shop"))).await.unwrap();
        file.revoke("shop").unwrap();
        tokio::time::timeout(soon, until(Err(Refused::Invalid)))
            .await
            .unwrap();
        shutdown.begin();
        fresh.await.unwrap();
    }

    /// Another number at each call.
    fn rand_like() -> u32 {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    #[test]
    fn wrong_keys_from_one_address_are_slowed_and_another_address_is_not() {
        let home = tempfile::tempdir().unwrap();
        let file = File::at(home.path().join("keys.json"));
        let scope = [READ.to_owned()];
        let key = file
            .add("shop", &scope, DAY, NOW, &SeededRandom::new(1))
            .unwrap();
        let till = file
            .add("till", &scope, DAY, NOW, &SeededRandom::new(2))
            .unwrap();
        let (clock, keys) = open(&file);
        let is_slowed = |checked: Result<KeyCaller, Refused>| {
            assert!(matches!(checked, Err(Refused::TooMany(_))), "{checked:?}");
        };
        for _ in 0..10 {
            assert_eq!(keys.check("api1_wrong", from(1)), Err(Refused::Invalid));
        }
        is_slowed(keys.check("api1_other", from(1)));
        assert_eq!(keys.check(&key.text, from(1)).unwrap().name, "shop");
        // With the id of a key, which is no secret.
        let guess = format!("api1_{}_{}", key.id, "A".repeat(43));
        for _ in 0..10 {
            assert_eq!(keys.check(&guess, from(1)), Err(Refused::Invalid));
        }
        is_slowed(keys.check(&key.text, from(1)));
        assert_eq!(keys.check(&key.text, from(2)).unwrap().name, "shop");
        assert_eq!(keys.check(&till.text, from(1)).unwrap().name, "till");
        clock.advance(Duration::from_secs(1));
        assert_eq!(keys.check(&key.text, from(1)).unwrap().id, key.id);
    }

    #[test]
    fn a_key_ends_by_the_clock() {
        let home = tempfile::tempdir().unwrap();
        let file = File::at(home.path().join("keys.json"));
        let scope = [READ.to_owned()];
        let key = file
            .add("shop", &scope, DAY, NOW, &SeededRandom::new(1))
            .unwrap();
        let (clock, keys) = open(&file);
        assert!(keys.check(&key.text, from(1)).is_ok());
        clock.advance(DAY);
        assert_eq!(keys.check(&key.text, from(1)), Err(Refused::Invalid));
    }
}
