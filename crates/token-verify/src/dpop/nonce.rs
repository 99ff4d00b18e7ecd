//! Nonces that a server gives out (RFC 9449 §8, §9). A nonce is derived from a key and
//! the present window of time, so a server keeps none, and all replicas with the key
//! agree. All clients get the same: it proves when a proof was made, and nothing else.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kit::clock::Timestamp;

/// How long a nonce is the present one. It is accepted for as long again.
const WINDOW: Duration = Duration::from_secs(120);
/// The bytes of a nonce.
const LEN: usize = 16;

/// Makes and recognises the nonces of one server.
#[derive(Clone, Debug)]
pub struct Nonces(Arc<hmac::Key>);

impl Nonces {
    /// With `key`, which all replicas share and nobody else has.
    pub fn new(key: hmac::Key) -> Self {
        Self(Arc::new(key))
    }

    /// The nonce to give out now.
    pub fn current(&self, now: Timestamp) -> String {
        self.of(window(now))
    }

    /// Until when `nonce` is accepted, if it is accepted now: that of this window, of the one
    /// before, or of the next one, which a replica whose clock is ahead gives out already.
    pub fn accepted_until(&self, nonce: &str, now: Timestamp) -> Option<Timestamp> {
        let now = window(now);
        let known = [now, now - 1, now + 1].into_iter().find(|window| {
            let own = self.of(*window);
            verify_slices_are_equal(own.as_bytes(), nonce.as_bytes()).is_ok()
        });
        let window = WINDOW.as_secs().cast_signed();
        known.map(|known| Timestamp::from_secs((known + 2) * window))
    }

    /// Whether `nonce` is accepted now.
    #[cfg(test)]
    fn accepts(&self, nonce: &str, now: Timestamp) -> bool {
        self.accepted_until(nonce, now).is_some()
    }

    fn of(&self, window: i64) -> String {
        let code = hmac::sign(&self.0, &window.to_be_bytes());
        URL_SAFE_NO_PAD.encode(&code.as_ref()[..LEN])
    }
}

fn window(now: Timestamp) -> i64 {
    now.secs().div_euclid(WINDOW.as_secs().cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonces(key: u8) -> Nonces {
        Nonces::new(hmac::Key::new(hmac::HMAC_SHA256, &[key; 32]))
    }

    #[test]
    fn rfc9449_8_a_nonce_is_good_for_its_window_and_the_next_at_each_replica() {
        let (here, there) = (nonces(1), nonces(1));
        let begin = Timestamp::from_secs(1_800_000_000);
        let nonce = here.current(begin);
        for (after, is_good) in [
            (0, true),
            (119, true),
            (239, true),
            (240, false),
            (9999, false),
        ] {
            let now = begin + Duration::from_secs(after);
            assert_eq!(there.accepts(&nonce, now), is_good, "{after}");
        }
        let behind = Timestamp::from_secs(begin.secs() - 5);
        assert!(there.accepts(&nonce, behind), "a clock that is behind");
        assert!(!nonces(2).accepts(&nonce, begin), "another key");
    }

    #[test]
    fn rfc9449_8_1_a_nonce_has_the_characters_of_its_syntax() {
        let nonce = nonces(1).current(Timestamp::from_secs(7));
        assert_eq!(nonce.len(), 22);
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        assert!(nonce.bytes().all(fits));
        for wrong in ["", "x", &nonce[1..], &format!("{nonce}x")] {
            assert!(!nonces(1).accepts(wrong, Timestamp::from_secs(7)));
        }
    }
}
