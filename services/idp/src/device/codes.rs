//! The two codes of a device's authorization (RFC 8628 §3.2, §6.1).
//!
//! A user code has little entropy, so whoever reads the store must not find it by trying
//! all codes: the record's id is a keyed hash, and the key is not in the store. The
//! device code is the id and a random secret, whose hash is in the record.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kit::{random::Random, seal::KEY_LEN};

use crate::{cookies::TOKEN_LEN, derived_key::derived_key};

/// RFC 8628 §6.1: consonants, which form no words, without digits that look like letters.
const ALPHABET: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";
/// The letters of a code: 34 bits.
const LETTERS: usize = 8;
/// The most bytes of a typed code.
const MAX_TYPED: usize = 64;

/// A code that a user types, without its hyphen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCode(String);

impl UserCode {
    /// A new code.
    pub fn random(random: &dyn Random) -> Self {
        // The largest multiple of the alphabet's length, so that all letters are equally
        // likely.
        let fair = u8::try_from(256 / ALPHABET.len() * ALPHABET.len()).unwrap_or(u8::MAX);
        let mut code = String::with_capacity(LETTERS);
        while code.len() < LETTERS {
            let bytes: [u8; 2 * LETTERS] = random.bytes();
            let fitting = bytes.into_iter().filter(|byte| *byte < fair);
            let letters =
                fitting.map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
            code.extend(letters.take(LETTERS - code.len()));
        }
        Self(code)
    }

    /// The code in `text`: case, hyphens and spaces do not matter (RFC 8628 §6.1).
    pub fn typed(text: &str) -> Option<Self> {
        if text.len() > MAX_TYPED {
            return None;
        }
        let typed = text
            .chars()
            .filter(|c| !c.is_whitespace() && !is_hyphen(*c));
        let code: String = typed.map(|c| c.to_ascii_uppercase()).collect();
        let is_code = code.len() == LETTERS && code.bytes().all(|byte| ALPHABET.contains(&byte));
        is_code.then_some(Self(code))
    }
}

/// A hyphen, as keyboards and copied text have it.
const fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '_' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// `WDJB-MJHT`
impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.0.split_at(LETTERS / 2);
        write!(f, "{first}-{second}")
    }
}

/// Derives the ids of records from user codes.
pub struct UserCodes(hmac::Key);

impl UserCodes {
    /// With a key derived from `master`.
    pub fn new(master: &[u8; KEY_LEN]) -> Self {
        Self(derived_key(master, "sso-lab user code v1"))
    }

    /// The id of the record of `code`.
    pub fn id(&self, code: &UserCode) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, code.0.as_bytes()))
    }
}

/// The device code of the record `id`.
pub fn device_code(id: &str, secret: &str) -> String {
    format!("{id}.{secret}")
}

/// The id and the secret in a device code.
pub fn parse_device_code(code: &str) -> Option<(&str, &str)> {
    let (id, secret) = code.split_once('.')?;
    (id.len() == TOKEN_LEN && secret.len() == TOKEN_LEN).then_some((id, secret))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kit::random::{OsRandom, SeededRandom};

    use super::*;

    #[test]
    fn rfc8628_6_1_a_user_code_has_letters_that_cannot_be_misread_all_equally_likely() {
        let mut counts = [0_u32; 256];
        for _ in 0..2000 {
            let code = UserCode::random(&OsRandom);
            let text = code.to_string();
            assert_eq!((text.len(), text.find('-')), (9, Some(4)), "{text}");
            assert_eq!(UserCode::typed(&text), Some(code));
            text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
        }
        let used: Vec<_> = (0..=255_u8)
            .filter(|byte| *byte != b'-' && counts[usize::from(*byte)] > 0)
            .collect();
        assert_eq!(used, ALPHABET);
        // 800 of each are expected; 150 are more than five standard deviations.
        for letter in used {
            let count = counts[usize::from(letter)];
            assert!((650..950).contains(&count), "{letter}: {count}");
        }
    }

    #[test]
    fn rfc8628_6_1_case_hyphens_and_spaces_do_not_matter() {
        let code = UserCode::typed("WDJB-MJHT").unwrap();
        for same in [
            "wdjbmjht",
            " wdjb mjht ",
            "WDJB\u{2013}mjht",
            "w-d-j-b-m-j-h-t",
        ] {
            assert_eq!(UserCode::typed(same).as_ref(), Some(&code), "{same}");
        }
        let long = format!("WDJBMJHT{}", " ".repeat(MAX_TYPED));
        for wrong in [
            "",
            "WDJBMJH",
            "WDJBMJHTT",
            "WDJB-MJH0",
            "ÄDJBMJHT",
            "wdjb.mjht",
            &long,
        ] {
            assert_eq!(UserCode::typed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_record_is_found_by_its_key_alone() {
        let codes: BTreeSet<_> = (0..500)
            .map(|seed| UserCode::random(&SeededRandom::new(seed)).to_string())
            .collect();
        assert_eq!(codes.len(), 500);
        let code = UserCode::typed("WDJB-MJHT").unwrap();
        let id = |master| UserCodes::new(&[master; KEY_LEN]).id(&code);
        assert_eq!(id(7), id(7));
        assert_ne!(id(7), id(8));
        let (id, secret) = (id(7), (&OsRandom as &dyn Random).token());
        let device = device_code(&id, &secret);
        assert_eq!(parse_device_code(&device), Some((&*id, &*secret)));
        for wrong in ["", ".", &id, &device[1..], &format!("{device}x")] {
            assert_eq!(parse_device_code(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn fuzz_codes_of_devices() {
        let id = "A".repeat(TOKEN_LEN);
        fuzz::run_text(
            &["WDJB-MJHT", " wdjb\u{2010}mjht", &device_code(&id, &id)],
            |text| {
                if let Some(code) = UserCode::typed(text) {
                    let shown = code.to_string();
                    assert!(shown.len() == LETTERS + 1 && shown.is_ascii());
                    assert_eq!(UserCode::typed(&shown), Some(code));
                }
                if let Some((id, secret)) = parse_device_code(text) {
                    assert_eq!(device_code(id, secret), text);
                }
            },
        );
    }
}
