//! The life of signing keys, as pure rules on a record: a key is published before it
//! signs, and stays published after its successor signs for as long as a token that it
//! signed can be valid.
//!
//! ```text
//! published ── publish delay ──▶ signs ── until its successor signs ──▶ retired
//!                                         ── longest token ──▶ leaves /jwks
//!                                         ── longest session ──▶ forgotten
//! ```
//!
//! After it has left `/jwks`, the provider still recognises an `id_token_hint` that it
//! signed. All replicas read one record, so they agree by the time alone on the key that
//! signs.

use std::time::Duration;

use kit::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Algorithm;
use crate::records::Record;

/// The most keys of one algorithm that are published.
const MAX_PUBLISHED: usize = 4;
/// The most keys of the state directory that are remembered.
const MAX_SEEDS: usize = 24;
/// How long the record lasts: the longest time that the store takes.
const LIFE: Duration = Duration::from_secs(3650 * 24 * 3600);
/// When a private key is erased after its successor signs: every replica has changed by
/// then.
const ERASED_AFTER: Duration = Duration::from_secs(60);

/// When keys change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From the publication of a key to its first signature.
    pub publish_delay: Duration,
    /// How long a key stays published after its successor signs.
    pub retire_after: Duration,
    /// How long the provider recognises its signatures after that.
    pub forget_after: Duration,
}

/// All signing keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyRing {
    /// The keys, oldest first.
    pub keys: Vec<KeyRecord>,
    /// The ids of the keys of the state directory that were taken over: each is taken
    /// over once.
    seeds: Vec<String>,
    expires_at: Timestamp,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Its name: the thumbprint (RFC 7638).
    pub kid: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// The members of its public JWK.
    pub public: Value,
    /// The private key, sealed; none once it signs no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// When it was made, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it signs.
    pub signs_from: Timestamp,
    /// When its successor signs, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded_at: Option<Timestamp>,
    /// When it leaves `/jwks`, if it has a successor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_until: Option<Timestamp>,
    /// When it is forgotten, if it has a successor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten_at: Option<Timestamp>,
}

/// The state of a published key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, to sign later.
    Next,
    /// It signs.
    Signing,
    /// Its successor signs; tokens that it signed are still valid.
    Retired,
    /// No longer published: it verifies hints.
    Withdrawn,
}

impl KeyRecord {
    /// Its state at `now`.
    pub fn state(&self, now: Timestamp) -> KeyState {
        let has_passed = |moment: Option<Timestamp>| moment.is_some_and(|moment| moment <= now);
        if has_passed(self.published_until) {
            KeyState::Withdrawn
        } else if has_passed(self.succeeded_at) {
            KeyState::Retired
        } else if self.signs_from > now {
            KeyState::Next
        } else {
            KeyState::Signing
        }
    }
}

/// Too many keys of one algorithm are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_PUBLISHED} keys are published already; a retired one leaves at {until}", until = .0.secs())]
pub struct TooManyKeys(pub Timestamp);

impl KeyRing {
    /// The first keys, which sign at once.
    pub fn new(first: Vec<KeyRecord>, now: Timestamp) -> Self {
        Self {
            seeds: first.iter().map(|key| key.kid.clone()).collect(),
            keys: first,
            expires_at: now + LIFE,
        }
    }

    /// The keys of `algorithm`, oldest first.
    pub fn of(&self, algorithm: Algorithm) -> impl DoubleEndedIterator<Item = &KeyRecord> {
        self.keys
            .iter()
            .filter(move |key| key.algorithm == algorithm)
    }

    /// The newest key of `algorithm`.
    pub fn newest(&self, algorithm: Algorithm) -> Option<&KeyRecord> {
        self.of(algorithm).next_back()
    }

    /// The key of `algorithm` that waits to sign.
    pub fn next(&self, algorithm: Algorithm, now: Timestamp) -> Option<&KeyRecord> {
        let newest = self.newest(algorithm);
        newest.filter(|key| key.state(now) == KeyState::Next)
    }

    /// Whether another key of `algorithm` may be published.
    pub fn check_room(&self, algorithm: Algorithm, now: Timestamp) -> Result<(), TooManyKeys> {
        let published = self.of(algorithm);
        let published = published.filter(|key| key.state(now) != KeyState::Withdrawn);
        let ends: Vec<_> = published.map(|key| key.published_until).collect();
        if ends.len() < MAX_PUBLISHED {
            return Ok(());
        }
        let first = ends.into_iter().flatten().min();
        Err(TooManyKeys(first.unwrap_or(now)))
    }

    /// Adds `new`, which signs after the publish delay.
    #[must_use]
    pub fn planned(mut self, mut new: KeyRecord, now: Timestamp, timing: &Timing) -> Self {
        new.signs_from = now + timing.publish_delay;
        let former = self.keys.iter_mut();
        let former = former.filter(|key| key.algorithm == new.algorithm);
        for key in former.filter(|key| key.succeeded_at.is_none()) {
            let retired = new.signs_from + timing.retire_after;
            key.succeeded_at = Some(new.signs_from);
            key.published_until = Some(retired);
            key.forgotten_at = Some(retired + timing.forget_after);
        }
        self.keys.push(new);
        self.expires_at = now + LIFE;
        self.tidied(now)
    }

    /// Puts `new` in the place of all keys of its algorithm, at once.
    #[must_use]
    pub fn at_once(mut self, mut new: KeyRecord, now: Timestamp) -> Self {
        new.signs_from = now;
        self.keys.retain(|key| key.algorithm != new.algorithm);
        self.keys.push(new);
        self.expires_at = now + LIFE;
        self.tidied(now)
    }

    /// Whether the key `kid` of the state directory was taken over.
    pub fn has_taken_over(&self, kid: &str) -> bool {
        self.seeds.iter().any(|seed| seed == kid)
    }

    /// Remembers that the key `kid` of the state directory was taken over.
    #[must_use]
    pub fn taking_over(mut self, kid: &str) -> Self {
        let surplus = (self.seeds.len() + 1).saturating_sub(MAX_SEEDS);
        self.seeds.drain(..surplus);
        self.seeds.push(kid.to_owned());
        self
    }

    /// Without keys that are forgotten, and without private keys that sign no more.
    #[must_use]
    pub fn tidied(mut self, now: Timestamp) -> Self {
        self.keys
            .retain(|key| key.forgotten_at.is_none_or(|at| now < at));
        for key in &mut self.keys {
            if key.succeeded_at.is_some_and(|at| at + ERASED_AFTER <= now) {
                key.sealed = None;
            }
        }
        self
    }
}

impl Record for KeyRing {
    const KIND: &'static str = "signing-keys";

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_700_000_000);
    const TIMING: Timing = Timing {
        publish_delay: Duration::from_secs(600),
        retire_after: Duration::from_secs(960),
        forget_after: Duration::from_secs(10_000),
    };

    fn at(secs: u64) -> Timestamp {
        START + Duration::from_secs(secs)
    }

    fn key(kid: &str, algorithm: Algorithm) -> KeyRecord {
        KeyRecord {
            kid: kid.to_owned(),
            algorithm,
            public: Value::Null,
            sealed: Some("s".to_owned()),
            created_at: None,
            signs_from: START,
            succeeded_at: None,
            published_until: None,
            forgotten_at: None,
        }
    }

    fn ring() -> KeyRing {
        let both = [Algorithm::Es256, Algorithm::EdDsa];
        let first = both.map(|algorithm| key(algorithm.as_str(), algorithm));
        KeyRing::new(first.to_vec(), START)
    }

    fn states(ring: &KeyRing, now: Timestamp) -> Vec<(&str, KeyState)> {
        let of_es256 = ring.of(Algorithm::Es256);
        of_es256
            .map(|key| (key.kid.as_str(), key.state(now)))
            .collect()
    }

    #[test]
    fn a_key_is_published_before_it_signs_and_after() {
        use KeyState::{Next, Retired, Signing, Withdrawn};
        let ring = ring().planned(key("b", Algorithm::Es256), START, &TIMING);
        for (secs, states_then) in [
            (0, [Signing, Next]),
            (599, [Signing, Next]),
            (600, [Retired, Signing]),
            (1559, [Retired, Signing]),
            (1560, [Withdrawn, Signing]),
        ] {
            let [old, new] = states_then;
            assert_eq!(
                states(&ring, at(secs)),
                [("ES256", old), ("b", new)],
                "{secs}"
            );
        }
        // The other algorithm is as before.
        let other = ring.newest(Algorithm::EdDsa).unwrap();
        assert_eq!(other.state(at(9999)), Signing);
        assert_eq!(ring.next(Algorithm::Es256, at(599)).unwrap().kid, "b");
        assert!(ring.next(Algorithm::Es256, at(600)).is_none());
    }

    #[test]
    fn exactly_one_key_of_an_algorithm_signs_at_any_time() {
        let mut ring = ring();
        for n in 0..3 {
            let new = key(&format!("k{n}"), Algorithm::Es256);
            ring = ring.planned(new, at(n * 700), &TIMING);
        }
        for secs in 0..4000 {
            let signing = states(&ring, at(secs));
            let signing = signing
                .iter()
                .filter(|(_, state)| *state == KeyState::Signing);
            assert_eq!(signing.count(), 1, "{secs}");
        }
    }

    #[test]
    fn a_private_key_is_erased_once_it_signs_no_more_and_a_key_is_forgotten_later() {
        let ring = ring().planned(key("b", Algorithm::Es256), START, &TIMING);
        let has_private = |ring: &KeyRing| ring.keys[0].sealed.is_some();
        assert!(has_private(&ring.clone().tidied(at(659))));
        assert!(!has_private(&ring.clone().tidied(at(660))));
        assert_eq!(ring.clone().tidied(at(11_559)).keys.len(), 3);
        assert_eq!(ring.clone().tidied(at(11_560)).keys.len(), 2);
        assert_eq!(ring.clone().tidied(START), ring, "nothing to do");
    }

    #[test]
    fn at_once_nothing_of_before_is_left() {
        let ring = ring().planned(key("b", Algorithm::Es256), START, &TIMING);
        let ring = ring.at_once(key("c", Algorithm::Es256), at(5));
        assert_eq!(states(&ring, at(5)), [("c", KeyState::Signing)]);
        assert_eq!(ring.keys.len(), 2, "the other algorithm's is left");
    }

    #[test]
    fn the_published_keys_are_bounded() {
        let mut ring = ring();
        for n in 0..3 {
            assert_eq!(ring.check_room(Algorithm::Es256, at(n)), Ok(()));
            let new = key(&format!("k{n}"), Algorithm::Es256);
            ring = ring.planned(new, at(n), &TIMING);
        }
        let full = ring.check_room(Algorithm::Es256, at(3));
        assert_eq!(full, Err(TooManyKeys(at(1560))));
        assert_eq!(ring.check_room(Algorithm::Es256, at(1560)), Ok(()));
        assert_eq!(ring.check_room(Algorithm::EdDsa, at(3)), Ok(()));
    }

    #[test]
    fn a_key_of_the_state_directory_is_taken_over_once() {
        let mut ring = ring();
        assert!(ring.has_taken_over("ES256") && !ring.has_taken_over("x"));
        for n in 0..100 {
            ring = ring.taking_over(&format!("seed {n}"));
        }
        assert!(ring.has_taken_over("seed 99"));
        assert_eq!(ring.seeds.len(), MAX_SEEDS);
    }
}
