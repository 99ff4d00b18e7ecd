//! Data in the store or a cookie is sealed (AES-256-GCM) or authenticated (HMAC-SHA-256)
//! with a key that is not stored there. Others can read authenticated data, but not
//! create it. Both are bound to a context, and their keys can be rotated.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
    hkdf, hmac,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::random::Random;

/// Length of a master key, in bytes.
pub const KEY_LEN: usize = 32;
const ID_LEN: usize = 4;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
/// Length of a message authentication code, in bytes.
pub const MAC_LEN: usize = 32;

struct SealingKey {
    id: [u8; ID_LEN],
    key: LessSafeKey,
}

/// The sealing keys of one purpose: the first seals, all open.
pub struct Keyring {
    keys: Vec<SealingKey>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring")
            .field("keys", &self.keys.len())
            .finish()
    }
}

impl Keyring {
    /// Derives the purpose's own keys from `masters` (HKDF-SHA-256), newest first.
    ///
    /// # Panics
    /// If `masters` is empty.
    pub fn new(masters: &[[u8; KEY_LEN]], purpose: &str) -> Self {
        assert!(!masters.is_empty(), "a keyring needs a key");
        let keys = masters
            .iter()
            .map(|master| SealingKey::derive(master, purpose))
            .collect();
        Self { keys }
    }

    /// Seals `plain`. The result opens only with the same `context` (for example its key in
    /// the store), so that records cannot be swapped.
    #[expect(
        clippy::expect_used,
        reason = "AES-GCM fails only on inputs beyond 64 GiB"
    )]
    pub fn seal(&self, random: &dyn Random, context: &str, plain: &[u8]) -> Vec<u8> {
        let key = &self.keys[0];
        let nonce: [u8; NONCE_LEN] = random.bytes();
        let mut out = Vec::with_capacity(ID_LEN + NONCE_LEN + plain.len() + TAG_LEN);
        out.extend_from_slice(&key.id);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plain);
        let tag = key
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context.as_bytes()),
                &mut out[ID_LEN + NONCE_LEN..],
            )
            .expect("sealing");
        out.extend_from_slice(tag.as_ref());
        out
    }

    /// Opens the result of [`Keyring::seal`]. `None` for anything else, also if the key is
    /// unknown: a record that cannot be opened counts as absent.
    pub fn open(&self, context: &str, mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        if sealed.len() < ID_LEN + NONCE_LEN + TAG_LEN {
            return None;
        }
        let key = self.keys.iter().find(|key| key.id == sealed[..ID_LEN])?;
        let nonce = Nonce::try_assume_unique_for_key(&sealed[ID_LEN..ID_LEN + NONCE_LEN]).ok()?;
        let start = ID_LEN + NONCE_LEN;
        let plain_len = key
            .key
            .open_in_place(nonce, Aad::from(context.as_bytes()), &mut sealed[start..])
            .ok()?
            .len();
        sealed.copy_within(start..start + plain_len, 0);
        sealed.truncate(plain_len);
        Some(sealed)
    }
}

/// The authentication keys of one purpose: the first makes codes, all check them.
pub struct MacKeys {
    keys: Vec<hmac::Key>,
}

impl std::fmt::Debug for MacKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MacKeys")
            .field("keys", &self.keys.len())
            .finish()
    }
}

impl MacKeys {
    /// Derives the purpose's own keys from `masters` (HKDF-SHA-256), newest first.
    ///
    /// # Panics
    /// If `masters` is empty.
    pub fn new(masters: &[[u8; KEY_LEN]], purpose: &str) -> Self {
        assert!(!masters.is_empty(), "authentication needs a key");
        let key = |master| {
            let bytes = derived(master, b"sso-lab authentication v1", purpose);
            hmac::Key::new(hmac::HMAC_SHA256, &bytes)
        };
        Self {
            keys: masters.iter().map(key).collect(),
        }
    }

    /// The code of `message`. It is valid only with the same `context` (for example the
    /// message's key in the store), so that messages cannot be swapped.
    pub fn code(&self, context: &str, message: &[u8]) -> [u8; MAC_LEN] {
        let tag = keyed(&self.keys[0], context, message).sign();
        let mut code = [0; MAC_LEN];
        code.copy_from_slice(tag.as_ref());
        code
    }

    /// Whether one of the keys made `code` for `message` in `context`. The comparison takes
    /// constant time.
    pub fn is_genuine(&self, context: &str, message: &[u8], code: &[u8]) -> bool {
        let made = |key: &hmac::Key| {
            let tag = keyed(key, context, message).sign();
            verify_slices_are_equal(tag.as_ref(), code).is_ok()
        };
        self.keys.iter().any(made)
    }
}

/// The context's length comes first, so that the message cannot move the context's end.
fn keyed(key: &hmac::Key, context: &str, message: &[u8]) -> hmac::Context {
    let mut mac = hmac::Context::with_key(key);
    mac.update(&(context.len() as u64).to_be_bytes());
    mac.update(context.as_bytes());
    mac.update(message);
    mac
}

#[expect(clippy::expect_used, reason = "a fixed length that HKDF accepts")]
fn derived(master: &[u8; KEY_LEN], salt: &[u8], purpose: &str) -> [u8; KEY_LEN] {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(master);
    let mut bytes = [0; KEY_LEN];
    prk.expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut bytes))
        .expect("32 bytes of HKDF output");
    bytes
}

impl SealingKey {
    #[expect(clippy::expect_used, reason = "a fixed length that AES accepts")]
    fn derive(master: &[u8; KEY_LEN], purpose: &str) -> Self {
        let bytes = derived(master, b"sso-lab sealing v1", purpose);
        let mut id = [0; ID_LEN];
        id.copy_from_slice(&digest(&SHA256, &bytes).as_ref()[..ID_LEN]);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &bytes).expect("a 256-bit key"));
        Self { id, key }
    }
}

/// The SHA-256 of a bearer secret in base64url, by which the store names it.
pub fn fingerprint(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{OsRandom, SeededRandom};

    const OLD: [u8; KEY_LEN] = [1; KEY_LEN];
    const NEW: [u8; KEY_LEN] = [2; KEY_LEN];

    #[test]
    fn old_keys_still_open_and_the_new_one_seals() {
        let before = Keyring::new(&[OLD], "session");
        let after = Keyring::new(&[NEW, OLD], "session");
        let sealed = before.seal(&OsRandom, "k", b"alice");
        assert_eq!(after.open("k", sealed).as_deref(), Some(&b"alice"[..]));
        let sealed = after.seal(&OsRandom, "k", b"alice");
        assert_eq!(before.open("k", sealed), None);
    }

    #[test]
    fn a_record_moved_to_another_context_or_purpose_does_not_open() {
        let ring = Keyring::new(&[OLD], "session");
        let sealed = ring.seal(&SeededRandom::new(1), "app1", b"alice");
        assert_eq!(ring.open("app2", sealed.clone()), None);
        assert_eq!(Keyring::new(&[OLD], "other").open("app1", sealed), None);
    }

    #[test]
    fn a_code_is_good_for_its_message_context_and_purpose_alone() {
        let keys = MacKeys::new(&[OLD], "records");
        let code = keys.code("a", b"bc");
        assert!(keys.is_genuine("a", b"bc", &code));
        assert!(!keys.is_genuine("ab", b"c", &code));
        assert!(!keys.is_genuine("a", b"bd", &code));
        assert!(!keys.is_genuine("a", b"bc", &code[1..]));
        assert!(!keys.is_genuine("a", b"bc", b""));
        for at in 0..MAC_LEN {
            let mut bent = code;
            bent[at] ^= 1;
            assert!(!keys.is_genuine("a", b"bc", &bent), "byte {at}");
        }
        assert!(!MacKeys::new(&[OLD], "other").is_genuine("a", b"bc", &code));
        assert!(!MacKeys::new(&[NEW], "records").is_genuine("a", b"bc", &code));
        let rotated = MacKeys::new(&[NEW, OLD], "records");
        assert!(rotated.is_genuine("a", b"bc", &code));
        assert!(!keys.is_genuine("a", b"bc", &rotated.code("a", b"bc")));
    }

    #[test]
    fn any_bent_byte_is_noticed() {
        let ring = Keyring::new(&[OLD], "session");
        let sealed = ring.seal(&OsRandom, "k", b"alice");
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert_eq!(ring.open("k", bent), None, "byte {at}");
        }
        for len in 0..sealed.len() {
            assert_eq!(ring.open("k", sealed[..len].to_vec()), None, "cut to {len}");
        }
    }
}
