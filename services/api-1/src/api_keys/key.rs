//! One API key: its text, and what is kept of it.

use kit::{clock::Timestamp, random::Random, seal::fingerprint};
use oauth_types::{Scope, secret::same_secret};
use serde::{Deserialize, Serialize};

/// The header that a call brings it in.
pub const HEADER: &str = "x-api-key";
/// How every key begins, so that people and secret scanners recognise one.
pub(super) const PREFIX: &str = "api1_";
/// The characters of a key's id: hexadecimal digits.
const ID: usize = 16;
/// The characters of a key's secret part: 256 bits in base64url.
const SECRET: usize = 43;
/// The most characters of a name.
const MAX_NAME: usize = 64;

/// What is kept of a key. Its id is no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyRecord {
    /// Names it.
    pub(super) id: String,
    /// Who has it.
    pub(super) name: String,
    /// The hash of its whole text.
    pub(super) hash: String,
    /// What it allows.
    pub(super) scope: Scope,
    /// When it was made, in seconds since the epoch.
    pub(super) created_at: i64,
    /// When it ends.
    pub(super) expires_at: i64,
}

/// A key that was just made.
pub struct NewKey {
    /// Its id.
    pub id: String,
    /// Its text, which is shown once.
    pub text: String,
    pub(super) record: KeyRecord,
}

/// A caller with a valid API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyCaller {
    /// The key's id.
    pub(crate) id: String,
    /// Who has it.
    pub(crate) name: String,
    /// What it allows.
    pub(crate) scope: Scope,
}

impl NewKey {
    /// A key of `name` that allows `scope` until `expires_at`.
    pub(super) fn make(
        name: &str,
        scope: Scope,
        (now, expires_at): (Timestamp, Timestamp),
        random: &dyn Random,
    ) -> Self {
        let id = format!("{:016x}", u64::from_be_bytes(random.bytes()));
        let text = format!("{PREFIX}{id}_{}", random.token());
        let record = KeyRecord {
            id: id.clone(),
            name: name.to_owned(),
            hash: fingerprint(&text),
            scope,
            created_at: now.secs(),
            expires_at: expires_at.secs(),
        };
        Self { id, text, record }
    }
}

impl KeyRecord {
    /// Whether it is the key `text`, in constant time, and has not ended.
    pub(super) fn is(&self, text: &str, now: Timestamp) -> bool {
        let same = same_secret(&self.hash, &fingerprint(text));
        same && self.is_live(now)
    }

    /// Whether it has not ended.
    pub(super) const fn is_live(&self, now: Timestamp) -> bool {
        now.secs() < self.expires_at
    }

    /// Its caller.
    pub(super) fn caller(&self) -> KeyCaller {
        KeyCaller {
            id: self.id.clone(),
            name: self.name.clone(),
            scope: self.scope.clone(),
        }
    }
}

/// The id in the key `text`, if it has the form of one.
pub(super) fn id_of(text: &str) -> Option<&str> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_at_checked(ID)?;
    let secret = secret.strip_prefix('_')?;
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let fits = secret.len() == SECRET && secret.bytes().all(is_part);
    (fits && is_id(id)).then_some(id)
}

/// Whether `text` can be a key's id.
pub(super) fn is_id(text: &str) -> bool {
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.len() == ID && text.bytes().all(is_digit)
}

/// Whether `text` can be the name of a key's holder.
pub(super) fn is_name(text: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use kit::random::SeededRandom;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1000);

    fn new(seed: u64) -> NewKey {
        let ends = Timestamp::from_secs(2000);
        NewKey::make(
            "shop",
            Scope::empty(),
            (NOW, ends),
            &SeededRandom::new(seed),
        )
    }

    #[test]
    fn a_key_is_recognisable_has_256_bits_and_is_kept_as_a_hash() {
        let key = new(1);
        assert!(key.text.starts_with("api1_"), "{}", key.text);
        assert_eq!(id_of(&key.text), Some(key.id.as_str()));
        let secret = key.text.rsplit_once('_').unwrap().1;
        let stored = serde_json::to_string(&key.record).unwrap();
        assert!(!stored.contains(secret) && !stored.contains(&key.text));
        assert!(key.record.is(&key.text, NOW));
        assert_ne!(key.text, new(2).text);
    }

    #[test]
    fn another_key_and_an_ended_one_do_not_count() {
        let (key, other) = (new(1), new(2));
        assert!(!key.record.is(&other.text, NOW));
        assert!(key.record.is(&key.text, Timestamp::from_secs(1999)));
        assert!(!key.record.is(&key.text, Timestamp::from_secs(2000)));
        // The id of one with the secret of the other.
        let secret = &other.text[PREFIX.len() + ID..];
        let mixed = format!("{PREFIX}{}{secret}", key.id);
        assert_eq!(id_of(&mixed), Some(key.id.as_str()));
        assert!(!key.record.is(&mixed, NOW));
    }

    #[test]
    fn fuzz_api_keys() {
        let key = new(1);
        fuzz::run_text(
            &[&key.text, "api1_0123456789abcdef_", &new(2).text],
            |text| {
                if let Some(id) = id_of(text) {
                    assert!(text.starts_with(PREFIX) && is_id(id));
                    assert_eq!(text.len(), PREFIX.len() + ID + 1 + SECRET);
                }
                assert_eq!(key.record.is(text, NOW), text == key.text);
            },
        );
    }
}
