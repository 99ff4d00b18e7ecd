//! Derives keys from one master key, each for one purpose.

use aws_lc_rs::hmac;
use kit::seal::KEY_LEN;

/// The HMAC-SHA-256 key of `purpose`: HMAC-SHA-256 of the purpose under `master`.
pub fn derived_key(master: &[u8; KEY_LEN], purpose: &str) -> hmac::Key {
    let master = hmac::Key::new(hmac::HMAC_SHA256, master);
    let derived = hmac::sign(&master, purpose.as_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
}
