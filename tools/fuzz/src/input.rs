//! Inputs: a good one with some changes, or random bytes.

use proptest::{collection::vec, prelude::*};

/// The most changes of one input.
const MAX_CHANGES: usize = 8;
/// The most random bytes.
const MAX_RANDOM: usize = 256;
/// The longest input, in bytes.
const MAX_LEN: usize = 1 << 16;

/// What breaks parsers: separators of the formats that are read here, escapes whole and
/// cut off, control characters, characters of several bytes, numbers at their bounds.
const TOKENS: &[&[u8]] = &[
    b"",
    b"\0",
    b"\r\n",
    b"\n",
    b"\t",
    b" ",
    b"%",
    b"%00",
    b"%2",
    b"%+5",
    b"%zz",
    b"%ff%fe",
    b"&",
    b"=",
    b"==",
    b";",
    b",",
    b":",
    b"::",
    b"/",
    b"//",
    b"\\",
    b"\"",
    b"'",
    b"[",
    b"]",
    b"{",
    b"}",
    b"(",
    b"<!--",
    b"?",
    b"#",
    b"@",
    b".",
    b"..",
    b"-",
    b"_",
    b"~",
    b"+",
    b"*",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"\\u0000",
    b"\\ud800",
    b"-1",
    b"0",
    b"1e999",
    b"1e-9",
    b"0.1",
    b"2147483648",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551616",
    b"99999999999999999999999999999999999999",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    "\u{a0}".as_bytes(),
    "\u{130}".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{212a}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{feff}".as_bytes(),
    "\u{ff0e}".as_bytes(),
    "\u{1f600}".as_bytes(),
    "e\u{301}".as_bytes(),
    b"eyJhbGciOiJub25lIn0.e30.",
    b"127.0.0.1",
    b"[::1]",
    b"localhost",
    b"https://a.example",
    b"javascript:",
];

/// An input, kept as what it is made of, so that it shrinks to few changes.
#[derive(Clone, Debug)]
pub enum Input {
    /// A good input, changed.
    Changed { seed: Vec<u8>, changes: Vec<Change> },
    /// Bytes.
    Random(Vec<u8>),
}

/// A change. Places and lengths are fractions of the input's length, so that they fit
/// after other changes too.
#[derive(Clone, Debug)]
pub enum Change {
    /// Puts a token at a place.
    Insert(f64, &'static [u8]),
    /// Replaces the rest of the input, or a part, by a token.
    Replace(f64, f64, &'static [u8]),
    /// Sets one byte.
    Set(f64, u8),
    /// Removes a part.
    Remove(f64, f64),
    /// Repeats a part that many times more.
    Repeat(f64, f64, usize),
    /// Other case of ASCII letters in a part.
    Case(f64, f64),
}

impl Input {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Random(bytes) => bytes.clone(),
            Self::Changed { seed, changes } => {
                let mut bytes = seed.clone();
                for change in changes {
                    change.apply(&mut bytes);
                    bytes.truncate(MAX_LEN);
                }
                bytes
            }
        }
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len();
        match *self {
            Self::Insert(place, token) => {
                let at = part(len, place, 0.0).0;
                bytes.splice(at..at, token.iter().copied());
            }
            Self::Replace(place, length, token) => {
                let (begin, end) = part(len, place, length);
                bytes.splice(begin..end, token.iter().copied());
            }
            Self::Set(place, byte) => {
                if let Some(one) = bytes.get_mut(part(len, place, 0.0).0) {
                    *one = byte;
                }
            }
            Self::Remove(place, length) => {
                let (begin, end) = part(len, place, length);
                bytes.drain(begin..end);
            }
            Self::Repeat(place, length, times) => {
                let (begin, end) = part(len, place, length);
                let fits = (MAX_LEN - len.min(MAX_LEN)) / (end - begin).max(1);
                let more = bytes[begin..end].repeat(times.min(fits));
                bytes.splice(end..end, more);
            }
            Self::Case(place, length) => {
                let (begin, end) = part(len, place, length);
                for byte in &mut bytes[begin..end] {
                    *byte ^= if byte.is_ascii_alphabetic() { 0x20 } else { 0 };
                }
            }
        }
    }
}

/// From where to where the part is that begins at `place` of `len`, and has `length` of
/// what follows.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a fraction of a short length"
)]
fn part(len: usize, place: f64, length: f64) -> (usize, usize) {
    let begin = ((len as f64 * place).round() as usize).min(len);
    let rest = len - begin;
    let end = begin + ((rest as f64 * length).ceil() as usize).min(rest);
    (begin, end)
}

/// Inputs made from `seeds`.
pub fn inputs(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Input> {
    let random = vec(any::<u8>(), 0..MAX_RANDOM).prop_map(Input::Random);
    if seeds.is_empty() {
        return random.boxed();
    }
    let changed = (prop::sample::select(seeds), vec(change(), 0..=MAX_CHANGES));
    let changed = changed.prop_map(|(seed, changes)| Input::Changed { seed, changes });
    prop_oneof![9 => changed, 1 => random].boxed()
}

fn change() -> impl Strategy<Value = Change> {
    let place = || 0.0..=1.0_f64;
    // Short parts are more likely than long ones.
    let length = || prop_oneof![3 => 0.0..=0.1_f64, 1 => 0.0..=1.0_f64];
    let token = || prop::sample::select(TOKENS);
    prop_oneof![
        4 => (place(), token()).prop_map(|(at, token)| Change::Insert(at, token)),
        3 => (place(), length(), token()).prop_map(|(at, length, token)| Change::Replace(at, length, token)),
        3 => (place(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        3 => (place(), length()).prop_map(|(at, length)| Change::Remove(at, length)),
        2 => (place(), length(), prop_oneof![3 => 1..4_usize, 1 => 1..5000_usize])
            .prop_map(|(at, length, times)| Change::Repeat(at, length, times)),
        1 => (place(), length()).prop_map(|(at, length)| Change::Case(at, length)),
    ]
}
