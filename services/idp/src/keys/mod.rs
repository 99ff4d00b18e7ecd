//! The provider's signing keys, which all replicas share.
//!
//! The record [`ring::KeyRing`] in the store says which keys there are and when each signs; its
//! private keys are sealed with a key of the state directory. A process holds it parsed
//! ([`Loaded`]) and reads it again every second ([`Keys::refresh`]). The keys in the
//! state directory are the first ones; a new key there is taken over as a rotation.

mod key;
mod loaded;
mod ring;
mod rotation;

use std::{io, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use key::Seed;
pub use key::{Algorithm, PublicKey, SigningKey, new_signing_key};
use kit::{
    clock::{Clock, Timestamp},
    random::Random,
    seal::Keyring,
    state_dir::StateDir,
};
use loaded::Loaded;
use parking_lot::RwLock;
pub use ring::{KeyRecord, KeyState, Timing};
pub use rotation::{Rotated, RotationError};
use serde::Serialize;

/// How the keys are used.
#[derive(Clone, Copy, Debug)]
pub struct KeySettings {
    /// The algorithm of tokens where none is requested.
    pub default: Algorithm,
    /// When keys change.
    pub timing: Timing,
}

/// The keys. A clone shares them.
#[derive(Clone)]
pub struct Keys(Arc<Shared>);

struct Shared {
    settings: KeySettings,
    /// The keys of the state directory.
    seeds: Vec<Seed>,
    sealing: Keyring,
    state_dir: StateDir,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// What the store says; none until it was read.
    loaded: RwLock<Option<Arc<Loaded>>>,
    /// One rotation at a time in this process.
    rotating: tokio::sync::Mutex<()>,
    /// When the store was last read.
    refreshed: parking_lot::Mutex<Option<tokio::time::Instant>>,
}

impl Keys {
    /// Reads each algorithm's key from the state directory, or generates it; `sealing`
    /// seals private keys in the store. Nothing is signed before [`Keys::refresh`]. It
    /// blocks: generating an RSA key takes a tenth of a second and more.
    pub fn load(
        state_dir: &StateDir,
        settings: KeySettings,
        sealing: Keyring,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> io::Result<Self> {
        let now = clock.now();
        let seeds = Algorithm::ALL.map(|algorithm| Seed::load(state_dir, algorithm, now));
        Ok(Self(Arc::new(Shared {
            settings,
            seeds: seeds.into_iter().collect::<io::Result<_>>()?,
            sealing,
            state_dir: state_dir.clone(),
            clock,
            random,
            loaded: RwLock::default(),
            rotating: tokio::sync::Mutex::default(),
            refreshed: parking_lot::Mutex::default(),
        })))
    }

    /// The time by which keys change. In a lab it goes on while the provider's clock is
    /// shifted: else a provider whose clock is slow would have no key that signs yet, and a
    /// key that it made while fast would sign only later.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn loaded(&self) -> Option<Arc<Loaded>> {
        self.0.loaded.read().clone()
    }

    /// The published keys (RFC 7517 §5), as `/jwks` answers; none until the store was
    /// read.
    pub fn jwks(&self) -> Option<String> {
        let loaded = self.loaded()?;
        Some(loaded.jwks(self.0.settings.default, self.now()))
    }

    /// The algorithms, the default one first.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        let default = self.0.settings.default;
        let others = Algorithm::ALL.into_iter();
        std::iter::once(default).chain(others.filter(move |other| *other != default))
    }

    /// When each key that signs was generated, if known.
    pub fn created(&self) -> Vec<(Algorithm, Timestamp)> {
        let now = self.now();
        let loaded = self.loaded();
        let keys = loaded.iter().flat_map(|loaded| &loaded.ring.keys);
        let signing = keys.filter(|key| key.state(now) == KeyState::Signing);
        signing
            .filter_map(|key| Some((key.algorithm, key.created_at?)))
            .collect()
    }

    /// The key named `kid`, also one that is no longer published.
    pub fn named(&self, kid: &str) -> Option<Arc<PublicKey>> {
        self.loaded()?.named(kid)
    }

    /// The published keys, with their states.
    pub fn listed(&self) -> Vec<(KeyRecord, KeyState)> {
        let now = self.now();
        let loaded = self.loaded();
        let keys = loaded.iter().flat_map(|loaded| &loaded.ring.keys);
        let stated = keys.map(|key| (key.clone(), key.state(now)));
        let mut listed: Vec<_> = stated
            .filter(|(_, state)| *state != KeyState::Withdrawn)
            .collect();
        let order = |key: &KeyRecord| self.algorithms().position(|own| own == key.algorithm);
        listed.sort_by_key(|(key, _)| (order(key), key.signs_from));
        listed
    }

    /// Signs `claims` as a JWT of this `typ` (RFC 7515 §3.1, compact) with
    /// `algorithm`, or with the default one.
    pub async fn sign(
        &self,
        typ: &str,
        algorithm: Option<Algorithm>,
        claims: &impl Serialize,
    ) -> Result<String, SignError> {
        #[derive(Serialize)]
        struct Header<'a> {
            alg: &'a str,
            typ: &'a str,
            kid: &'a str,
        }
        let algorithm = algorithm.unwrap_or(self.0.settings.default);
        let loaded = self.loaded().ok_or(SignError::NotLoaded)?;
        let key = loaded
            .signing(algorithm, self.now())
            .ok_or(SignError::Key)?;
        let header = Header {
            alg: algorithm.as_str(),
            typ,
            kid: key.public().kid(),
        };
        let mut jwt = String::with_capacity(1024);
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(&header)?, &mut jwt);
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims)?, &mut jwt);
        let signature = match algorithm {
            // About 30 µs: less than a switch to another thread and back.
            Algorithm::Es256 | Algorithm::EdDsa => key.sign(jwt.as_bytes())?,
            // A millisecond would block every other request of this worker.
            Algorithm::Rs256 => {
                let (key, input) = (Arc::clone(&key), jwt.clone());
                tokio::task::spawn_blocking(move || key.sign(input.as_bytes()))
                    .await
                    .map_err(|_| SignError::Key)??
            }
        };
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
        Ok(jwt)
    }
}

/// How long after its last token a key stays published: for clocks that differ, and for
/// replicas that have not yet read that its successor signs.
pub const RETIREMENT_MARGIN: Duration = Duration::from_secs(60);

/// A token could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The claims do not serialise.
    #[error("claims: {0}")]
    Claims(#[from] serde_json::Error),
    /// The key failed.
    #[error("the signing key failed")]
    Key,
    /// The store was not read since the start, so the key that signs now is not known.
    #[error("the signing keys have not been read from the store yet")]
    NotLoaded,
}

#[cfg(test)]
impl Keys {
    /// The keys of a process without a state directory, which has read its store.
    pub fn for_test(clock: &Arc<dyn Clock>) -> Self {
        let settings = KeySettings {
            default: Algorithm::Es256,
            timing: tests::TIMING,
        };
        let (sealing, random) = (
            Keyring::new(&[[1; 32]], "test"),
            Arc::new(kit::random::OsRandom),
        );
        let clock = Arc::clone(clock);
        let keys = Self::load(&StateDir::default(), settings, sealing, clock, random).unwrap();
        let loaded = Loaded::new(keys.first(), &keys.0.sealing, None);
        *keys.0.loaded.write() = Some(loaded.into());
        keys
    }
}

#[cfg(test)]
mod tests;
