//! Scopes (RFC 6749 §3.3): sets of tokens, separated by spaces in their text form.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The maximum number of tokens in a scope.
pub const MAX_SCOPES: usize = 32;
/// The maximum length of a scope in characters.
pub const MAX_SCOPE_LEN: usize = 2048;

/// A set of scope tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(BTreeSet<String>);

/// A scope that breaks RFC 6749 §3.3 or exceeds the limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scope has at most {MAX_SCOPES} tokens of printable ASCII, separated by one space")]
pub struct BadScope;

impl Scope {
    /// The empty scope.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Whether it contains `token`.
    pub fn contains(&self, token: &str) -> bool {
        self.0.contains(token)
    }

    /// Whether it has no token.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `other` contains all of its tokens.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// The tokens that both have.
    pub fn intersect(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// The tokens of both scopes.
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// The tokens for which `keep` returns true.
    pub fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|token| keep(token)).cloned().collect())
    }

    /// The tokens, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<S: Into<String>> FromIterator<S> for Scope {
    fn from_iter<I: IntoIterator<Item = S>>(tokens: I) -> Self {
        Self(tokens.into_iter().map(Into::into).collect())
    }
}

impl FromStr for Scope {
    type Err = BadScope;

    fn from_str(text: &str) -> Result<Self, BadScope> {
        // RFC 6749 §3.3: %x21 / %x23-5B / %x5D-7E
        let allowed = |b: u8| b == 0x21 || (0x23..=0x5B).contains(&b) || (0x5D..=0x7E).contains(&b);
        let tokens: Vec<_> = text.split(' ').filter(|token| !token.is_empty()).collect();
        let fine = text.len() <= MAX_SCOPE_LEN
            && tokens.len() <= MAX_SCOPES
            && tokens.iter().all(|token| token.bytes().all(allowed));
        if fine {
            Ok(tokens.into_iter().collect())
        } else {
            Err(BadScope)
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = BadScope;

    fn try_from(text: String) -> Result<Self, BadScope> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, token) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn rfc6749_3_3_order_does_not_matter_and_repetition_neither() {
        assert_eq!(scope("b a b"), scope("a b"));
        assert_eq!(scope("b a").to_string(), "a b");
    }

    #[test]
    fn rfc6749_3_3_only_the_allowed_characters() {
        for wrong in ["a\"b", "a\\b", "a\nb", "ä", "a\u{7f}"] {
            assert!(wrong.parse::<Scope>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn its_size_is_bounded() {
        let many: Vec<_> = (0..=MAX_SCOPES).map(|n| n.to_string()).collect();
        assert!(many.join(" ").parse::<Scope>().is_err());
        assert!("x".repeat(MAX_SCOPE_LEN + 1).parse::<Scope>().is_err());
    }

    #[test]
    fn set_algebra() {
        assert!(scope("a").is_within(&scope("a b")));
        assert!(!scope("a c").is_within(&scope("a b")));
        assert_eq!(scope("a c").intersect(&scope("a b")), scope("a"));
    }

    #[test]
    fn fuzz_scopes() {
        let seeds = ["openid profile https://api-1/read", "a  b ", "!#[]~ x"];
        fuzz::run_text(&seeds, |text| {
            let Ok(scope) = text.parse::<Scope>() else {
                return;
            };
            assert!(scope.iter().count() <= MAX_SCOPES && text.len() <= MAX_SCOPE_LEN);
            for token in scope.iter() {
                assert!(text.split(' ').any(|one| one == token));
                assert!(
                    token
                        .bytes()
                        .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
                );
            }
            assert_eq!(scope.to_string().parse(), Ok(scope.clone()));
            assert_eq!(scope.union(&scope), scope);
            assert_eq!(scope.intersect(&scope), scope);
        });
    }
}
