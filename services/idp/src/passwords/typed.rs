//! Prepares user names and passwords for comparison by PRECIS (RFC 8265): equal on every
//! keyboard, and with the same limits in the form, in the users' tables and on the
//! command line.

use precis_profiles::{
    OpaqueString, UsernameCasePreserved,
    precis_core::{DerivedPropertyValue, Error, profile::PrecisFastInvocation as _},
};

/// The longest user name, in characters after preparation.
pub const MAX_NAME: usize = 128;
/// The longest password, in characters after preparation.
pub const MAX_PASSWORD: usize = 256;
/// The most bytes of a name and of a password: a decomposed character has several.
const MAX_NAME_LEN: usize = 8 * MAX_NAME;
const MAX_PASSWORD_LEN: usize = 8 * MAX_PASSWORD;

/// Prepares a user name: trims it, then applies UsernameCasePreserved (RFC 8265 §3.4) to
/// each word. `Err` tells why it is invalid.
pub fn user_name(text: &str) -> Result<String, String> {
    let length = || format!("a user name has 1 to {MAX_NAME} characters");
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_NAME_LEN {
        return Err(length());
    }
    // RFC 8265 §3.1: username = userpart *(1*SP userpart)
    let words = text.split(' ').map(|word| match word {
        "" => Ok("".into()),
        word => UsernameCasePreserved::enforce(word),
    });
    let words: Result<Vec<_>, _> = words.collect();
    let words = words.map_err(|error| match error {
        Error::BadCodepoint(info) => {
            let (code, at) = (info.cp, info.position + 1);
            format!("U+{code:04X} (character {at} of a word) is not allowed in a user name (RFC 8265 §3.4)")
        }
        _ => "not a user name (RFC 8265 §3.4)".to_owned(),
    })?;
    let name = words.join(" ");
    if name.chars().count() > MAX_NAME {
        return Err(length());
    }
    Ok(name)
}

/// A typed password. The number of candidates depends only on its length and its
/// characters, never on the user.
pub struct Password {
    candidates: Vec<String>,
    /// Whether its length is allowed.
    is_possible: bool,
}

impl Password {
    /// Prepares a typed password.
    pub fn typed(text: &str) -> Self {
        let prepared = prepared(text);
        let length = prepared.chars().count();
        if length == 0 || length > MAX_PASSWORD || text.len() > MAX_PASSWORD_LEN {
            return Self {
                candidates: vec![String::new()],
                is_possible: false,
            };
        }
        let is_changed = prepared != text;
        let raw = is_changed.then(|| text.to_owned());
        Self {
            candidates: [prepared].into_iter().chain(raw).collect(),
            is_possible: true,
        }
    }

    /// Whether its length is allowed. Otherwise it is refused, whatever its hash.
    pub fn is_possible(&self) -> bool {
        self.is_possible
    }

    /// The candidates: the password by OpaqueString and, if it differs, the raw one, which
    /// older hashes were made of.
    pub fn candidates(&self) -> impl Iterator<Item = &[u8]> {
        self.candidates.iter().map(String::as_bytes)
    }

    /// Whether it is one of `known`.
    pub fn is_one_of(&self, known: &[&str]) -> bool {
        self.candidates
            .iter()
            .any(|own| known.contains(&own.as_str()))
    }
}

/// Prepares a password for hashing. `Err` tells why it is refused.
pub fn new_password(text: &str) -> Result<String, String> {
    if let Err(Error::BadCodepoint(info)) = OpaqueString::enforce(text)
        && info.property == DerivedPropertyValue::Disallowed
    {
        let code = info.cp;
        return Err(format!(
            "U+{code:04X} is not allowed in a password (RFC 8265 §4.2)"
        ));
    }
    let prepared = prepared(text);
    let length = prepared.chars().count();
    if length == 0 || length > MAX_PASSWORD || text.len() > MAX_PASSWORD_LEN {
        return Err(format!("a password has 1 to {MAX_PASSWORD} characters"));
    }
    Ok(prepared)
}

/// Applies OpaqueString (RFC 8265 §4.2). A password with a character newer than Unicode
/// 6.3, which the profile does not know, stays as it was typed.
fn prepared(text: &str) -> String {
    let bounded = text.len() <= MAX_PASSWORD_LEN;
    let enforced = bounded.then(|| OpaqueString::enforce(text).ok()).flatten();
    enforced.map_or_else(|| text.to_owned(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8265_3_4_names_that_look_the_same_are_the_same() {
        for (typed, name) in [
            ("alice", "alice"),
            (" alice\t", "alice"),
            ("alice\u{a0}", "alice"),
            ("\u{ff21}lice", "Alice"),
            ("zoe\u{308}", "zo\u{eb}"),
            ("Alice Liddell", "Alice Liddell"),
        ] {
            assert_eq!(user_name(typed).as_deref(), Ok(name), "{typed:?}");
        }
        assert_ne!(user_name("Alice"), user_name("alice"), "case is preserved");
    }

    #[test]
    fn rfc8265_3_4_what_is_no_name_is_refused() {
        for wrong in ["", " ", "a\u{0}b", "\u{fb01}n", "a\tb", "\u{5d0}a"] {
            assert!(user_name(wrong).is_err(), "{wrong:?}");
        }
        let error = user_name("ali\u{1f600}ce").unwrap_err();
        assert!(error.contains("U+1F600 (character 4 of a word)"), "{error}");
    }

    #[test]
    fn a_name_has_128_characters_and_not_bytes() {
        assert!(user_name(&"\u{e9}".repeat(MAX_NAME)).is_ok());
        assert!(
            user_name(&"e\u{301}".repeat(MAX_NAME)).is_ok(),
            "decomposed"
        );
        assert!(user_name(&"\u{20000}".repeat(MAX_NAME)).is_ok());
        assert!(user_name(&"e".repeat(MAX_NAME + 1)).is_err());
        assert!(user_name(&"e".repeat(1 << 20)).is_err());
    }

    #[test]
    fn a_password_has_256_characters_and_not_bytes() {
        for longest in ["x", "\u{e9}", "e\u{301}", "\u{1f600}"] {
            let longest = longest.repeat(MAX_PASSWORD);
            let typed = Password::typed(&longest);
            let made = new_password(&longest).unwrap();
            assert_eq!(typed.candidates().next(), Some(made.as_bytes()));
        }
        for wrong in [
            "",
            &"x".repeat(MAX_PASSWORD + 1),
            &"x".repeat(1 << 20),
            "a\tb",
        ] {
            assert!(new_password(wrong).is_err(), "{} bytes", wrong.len());
        }
        let typed = Password::typed(&"x".repeat(MAX_PASSWORD + 1));
        assert!(typed.candidates().eq([&b""[..]]) && !typed.is_possible());
        assert!(!Password::typed("").is_possible());
    }

    #[test]
    fn the_raw_password_is_tried_too_where_it_differs() {
        let candidates = |text| Password::typed(text).candidates;
        assert_eq!(candidates("tea"), ["tea"]);
        assert_eq!(candidates("cafe\u{301}"), ["caf\u{e9}", "cafe\u{301}"]);
        assert_eq!(
            candidates("tea\u{1fae8}"),
            ["tea\u{1fae8}"],
            "newer than the tables"
        );
    }

    #[test]
    fn fuzz_names_and_passwords() {
        let seeds = [
            "alice",
            "Ann e\u{301}  B",
            "\u{ff41}lice",
            " \u{130}\u{212a}\u{1f600} ",
            "correct horse",
        ];
        fuzz::run_text(&seeds, |text| {
            // RFC 8264 §7: the result of a preparation stays as it is.
            if let Ok(name) = user_name(text) {
                assert_eq!(user_name(&name), Ok(name.clone()));
                assert!((1..=MAX_NAME).contains(&name.chars().count()));
            }
            let typed = Password::typed(text);
            assert!((1..=2).contains(&typed.candidates().count()));
            if let Ok(password) = new_password(text) {
                assert!(typed.is_possible() && typed.is_one_of(&[&password]));
                assert_eq!(new_password(&password), Ok(password));
            }
        });
    }
}
