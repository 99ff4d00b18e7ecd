//! Reads the record of the signing keys and changes it: by compare-and-swap, so that
//! rotations which race make one key.

use std::{collections::BTreeMap, time::Duration};

use kit::files;

use super::{
    Algorithm, KeyRecord, Keys,
    key::Seed,
    loaded::{Loaded, key_record},
    ring::{KeyRing, TooManyKeys},
};
use crate::records::{RecordError, Records, Stored};

/// The name of the one record.
const ID: &str = "all";
/// How often a change is tried again after changes of other replicas.
const MAX_ATTEMPTS: usize = 8;
/// The file in a state directory that can be written: what the store says, for a store
/// that starts empty.
const BACKUP: &str = "idp-signing-keys.json";
/// How old the record of a process may be when `/jwks` is asked.
const JWKS_AGE: Duration = Duration::from_millis(250);
/// How long `/jwks` waits for the store.
const JWKS_WAIT: Duration = Duration::from_millis(250);

/// Why keys were not rotated.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// Too many keys of one algorithm are published.
    #[error("{algorithm}: {full}", algorithm = .0.as_str(), full = .1)]
    TooMany(Algorithm, TooManyKeys),
    /// Concurrent rotations changed the record at each attempt.
    #[error("too many concurrent rotations")]
    Contended,
    /// A key could not be generated.
    #[error("the key could not be generated")]
    Generation,
}

/// The newest key of an algorithm after a rotation.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The key.
    pub key: KeyRecord,
    /// Whether this call made it: otherwise another one just did, or it waits to sign.
    pub is_new: bool,
}

impl Keys {
    /// Reads the record. The first process creates it; keys of the state directory that it
    /// has not are taken over; what has ended is removed.
    pub async fn refresh(&self, records: &Records) -> Result<(), RotationError> {
        self.current(records).await.map(drop)
    }

    /// The same before `/jwks` is answered, so that it has a key that another replica has
    /// just published. If the store does not answer in time, what is known counts.
    pub async fn refresh_for_jwks(&self, records: &Records) {
        let last = *self.0.refreshed.lock();
        if last.is_none_or(|last| last.elapsed() >= JWKS_AGE) {
            let _ = tokio::time::timeout(JWKS_WAIT, self.refresh(records)).await;
        }
    }

    /// Rotates the keys of `algorithms`. A key that waits to sign is not overtaken by
    /// another one. `at_once`: the new key signs now, and every other one is forgotten.
    pub async fn rotate(
        &self,
        records: &Records,
        algorithms: &[Algorithm],
        at_once: bool,
    ) -> Result<Vec<Rotated>, RotationError> {
        let seen = self.current(records).await?.record;
        let _one = self.0.rotating.lock().await;
        let mut generated = BTreeMap::new();
        for _ in 0..MAX_ATTEMPTS {
            let stored = self.current(records).await?;
            let now = self.now();
            let mut ring = stored.record.clone();
            for algorithm in algorithms {
                let newest = |ring: &KeyRing| ring.newest(*algorithm).map(|key| key.kid.clone());
                let is_done = newest(&ring) != newest(&seen)
                    || (!at_once && ring.next(*algorithm, now).is_some());
                if is_done {
                    continue;
                }
                if !generated.contains_key(algorithm.as_str()) {
                    let made = generate(*algorithm, now).await?;
                    generated.insert(algorithm.as_str(), made);
                }
                let new = self.key_record(&generated[algorithm.as_str()], now);
                ring = if at_once {
                    ring.at_once(new, now)
                } else {
                    let room = ring.check_room(*algorithm, now);
                    room.map_err(|full| RotationError::TooMany(*algorithm, full))?;
                    ring.planned(new, now, &self.0.settings.timing)
                };
            }
            if ring == stored.record || records.swap(ID, &stored, &ring).await? {
                self.take(ring.clone()).await;
                let newest = algorithms.iter().filter_map(|one| ring.newest(*one));
                let made = |key: &KeyRecord| generated.values().any(|seed| seed.kid() == key.kid);
                return Ok(newest
                    .map(|key| Rotated {
                        is_new: made(key),
                        key: key.clone(),
                    })
                    .collect());
            }
        }
        Err(RotationError::Contended)
    }

    /// The record as the store has it now.
    async fn current(&self, records: &Records) -> Result<Stored<KeyRing>, RotationError> {
        for _ in 0..MAX_ATTEMPTS {
            let now = self.now();
            let Some(stored) = records.get::<KeyRing>(ID).await? else {
                records.create(ID, &self.first()).await?;
                continue;
            };
            let wanted = self.with_seeds(stored.record.clone()).tidied(now);
            if wanted == stored.record {
                self.take(wanted).await;
                return Ok(stored);
            }
            records.swap(ID, &stored, &wanted).await?;
        }
        Err(RotationError::Contended)
    }

    /// The record of a store that has none: what the state directory remembers of an
    /// earlier one, or its keys.
    pub(super) fn first(&self) -> KeyRing {
        let now = self.now();
        let path = self.0.state_dir.path(BACKUP);
        let backup = path.and_then(|path| files::read(&path).ok());
        let backup = backup.and_then(|text| serde_json::from_slice::<KeyRing>(&text).ok());
        let backup = backup.filter(|ring| {
            Algorithm::ALL
                .iter()
                .all(|algorithm| ring.newest(*algorithm).is_some())
        });
        backup.unwrap_or_else(|| {
            let seeds = self.0.seeds.iter().map(|seed| self.key_record(seed, now));
            KeyRing::new(seeds.collect(), now)
        })
    }

    /// With each key of the state directory that `ring` has not taken over.
    fn with_seeds(&self, mut ring: KeyRing) -> KeyRing {
        let now = self.now();
        for seed in &self.0.seeds {
            if !ring.has_taken_over(seed.kid()) {
                let new = self.key_record(seed, now);
                let (kid, algorithm) = (seed.kid(), new.algorithm.as_str());
                tracing::info!(kid, algorithm, "the state directory has a new signing key");
                ring = ring.taking_over(seed.kid());
                ring = ring.planned(new, now, &self.0.settings.timing);
            }
        }
        ring
    }

    fn key_record(&self, seed: &Seed, now: kit::clock::Timestamp) -> KeyRecord {
        key_record(seed, now, &self.0.sealing, &*self.0.random)
    }

    /// Uses `ring` from now on.
    async fn take(&self, ring: KeyRing) {
        *self.0.refreshed.lock() = Some(tokio::time::Instant::now());
        let before = self.loaded();
        if before.as_ref().is_some_and(|before| before.ring == ring) {
            return;
        }
        let text = serde_json::to_vec(&ring).unwrap_or_default();
        let loaded = Loaded::new(ring, &self.0.sealing, before.as_deref());
        *self.0.loaded.write() = Some(loaded.into());
        let state_dir = self.0.state_dir.clone();
        let written = tokio::task::spawn_blocking(move || state_dir.publish(BACKUP, &text));
        if let Ok(Err(error)) = written.await {
            tracing::warn!("the signing keys are not remembered: {error}");
        }
    }
}

/// A new key. Generating an RSA key takes a tenth of a second and more.
async fn generate(algorithm: Algorithm, now: kit::clock::Timestamp) -> Result<Seed, RotationError> {
    let generated = tokio::task::spawn_blocking(move || Seed::generate(algorithm, now));
    let generated = generated.await.ok().flatten();
    generated.ok_or(RotationError::Generation)
}
