//! The keys of a record, parsed once.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kit::{clock::Timestamp, random::Random, seal::Keyring};
use serde_json::json;

use super::{Algorithm, KeyRecord, KeyState, PublicKey, SigningKey, key::Seed, ring::KeyRing};

/// A record, with its keys parsed.
pub(super) struct Loaded {
    pub(super) ring: KeyRing,
    /// In the order of the record; none for a key that cannot be read.
    keys: Vec<Option<Parsed>>,
}

#[derive(Clone)]
struct Parsed {
    public: Arc<PublicKey>,
    signing: Option<Arc<SigningKey>>,
}

impl Loaded {
    /// Parses the keys of `ring`, of which `before` has some already. Keys that cannot be
    /// read are logged: other replicas have another sealing key.
    pub(super) fn new(ring: KeyRing, sealing: &Keyring, before: Option<&Self>) -> Self {
        let known = |kept: &KeyRecord| {
            let mut keys = before?.keys.iter().flatten();
            let known = keys.find(|known| known.public.kid() == kept.kid)?;
            let signing = known.signing.clone().filter(|_| kept.sealed.is_some());
            let is_whole = signing.is_some() == kept.sealed.is_some();
            is_whole.then(|| Parsed {
                public: Arc::clone(&known.public),
                signing,
            })
        };
        let parsed = ring.keys.iter().map(|kept| {
            let parsed = known(kept).map_or_else(|| parse(kept, sealing), Ok);
            let unusable = |why: &String| {
                tracing::error!(kid = kept.kid, "a signing key is unusable: {why}");
            };
            parsed.inspect_err(unusable).ok()
        });
        let keys = parsed.collect();
        Self { ring, keys }
    }

    fn stated(&self, now: Timestamp) -> impl Iterator<Item = (&Parsed, KeyState)> {
        let both = self.keys.iter().zip(&self.ring.keys);
        both.filter_map(move |(key, kept)| Some((key.as_ref()?, kept.state(now))))
    }

    /// The key that signs with `algorithm`.
    pub(super) fn signing(&self, algorithm: Algorithm, now: Timestamp) -> Option<Arc<SigningKey>> {
        let mut stated = self.stated(now);
        let found = stated.find(|(key, state)| {
            *state == KeyState::Signing && key.public.algorithm() == algorithm
        });
        found?.0.signing.clone()
    }

    /// The key named `kid`.
    pub(super) fn named(&self, kid: &str) -> Option<Arc<PublicKey>> {
        let mut keys = self.keys.iter().flatten();
        let found = keys.find(|key| key.public.kid() == kid)?;
        Some(Arc::clone(&found.public))
    }

    /// The published keys as JSON (RFC 7517 §5): those of `default` first, and of each
    /// algorithm the one that signs first.
    pub(super) fn jwks(&self, default: Algorithm, now: Timestamp) -> String {
        let published = self.stated(now);
        let published = published.filter(|(_, state)| *state != KeyState::Withdrawn);
        let mut published: Vec<_> = published.collect();
        published.sort_by_key(|(key, state)| {
            let algorithm = key.public.algorithm();
            (
                algorithm != default,
                algorithm.as_str(),
                *state != KeyState::Signing,
            )
        });
        let keys: Vec<_> = published
            .into_iter()
            .map(|(key, _)| {
                let mut jwk = key.public.members().clone();
                jwk["alg"] = key.public.algorithm().as_str().into();
                jwk["use"] = "sig".into();
                jwk["kid"] = key.public.kid().into();
                jwk
            })
            .collect();
        json!({ "keys": keys }).to_string()
    }
}

fn parse(kept: &KeyRecord, sealing: &Keyring) -> Result<Parsed, String> {
    let Some(sealed) = &kept.sealed else {
        let public = PublicKey::of(kept.algorithm, kept.public.clone())?;
        return Ok(Parsed {
            public: Arc::new(public),
            signing: None,
        });
    };
    let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|e| e.to_string())?;
    let der = sealing.open(&context(&kept.kid), sealed);
    let der = der.ok_or("it is sealed with another key")?;
    let signing = SigningKey::parse(kept.algorithm, &der)?;
    Ok(Parsed {
        public: Arc::clone(signing.public()),
        signing: Some(Arc::new(signing)),
    })
}

/// `seed` as the record keeps it; it signs from `now` on.
pub(super) fn key_record(
    seed: &Seed,
    now: Timestamp,
    sealing: &Keyring,
    random: &dyn Random,
) -> KeyRecord {
    let public = seed.key.public();
    let sealed = sealing.seal(random, &context(public.kid()), &seed.der);
    KeyRecord {
        kid: public.kid().to_owned(),
        algorithm: public.algorithm(),
        public: public.members().clone(),
        sealed: Some(URL_SAFE_NO_PAD.encode(sealed)),
        created_at: seed.created,
        signs_from: now,
        succeeded_at: None,
        published_until: None,
        forgotten_at: None,
    }
}

/// A sealed key opens under its own name alone.
fn context(kid: &str) -> String {
    format!("idp signing key {kid}")
}
