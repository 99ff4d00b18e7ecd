//! Functions receive randomness as an argument, like the time.

use aws_lc_rs::rand::SecureRandom as _;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;

/// A source of unguessable bytes.
pub trait Random: Send + Sync + 'static {
    /// Fills `out` entirely.
    fn fill(&self, out: &mut [u8]);
}

impl dyn Random {
    /// `N` bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// 256 bits in base64url: 43 characters that fit a URL, a cookie, a header.
    pub fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes::<32>())
    }

    /// 128 bits in base64url (22 characters), for identifiers that need not be secret.
    pub fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes::<16>())
    }
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    /// # Panics
    /// If the operating system has no randomness: no secret would be safe.
    #[expect(
        clippy::expect_used,
        reason = "nothing safe can be done without randomness"
    )]
    fn fill(&self, out: &mut [u8]) {
        aws_lc_rs::rand::SystemRandom::new()
            .fill(out)
            .expect("the operating system's random generator");
    }
}

/// The same bytes for the same seed (SHA-256 in counter mode), for tests only.
#[derive(Debug)]
pub struct SeededRandom {
    seed: u64,
    block: Mutex<u64>,
}

impl SeededRandom {
    /// Starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            block: Mutex::new(0),
        }
    }
}

impl Random for SeededRandom {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let mut block = self.block.lock();
            *block += 1;
            let mut input = [0; 16];
            input[..8].copy_from_slice(&self.seed.to_be_bytes());
            input[8..].copy_from_slice(&block.to_be_bytes());
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &input);
            chunk.copy_from_slice(&digest.as_ref()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_two_seeds_differ() {
        let draw = |seed| (&SeededRandom::new(seed) as &dyn Random).bytes::<40>();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn a_token_is_43_characters_and_never_twice_the_same() {
        let os: &dyn Random = &OsRandom;
        assert_eq!(os.token().len(), 43);
        assert_ne!(os.token(), os.token());
    }
}
