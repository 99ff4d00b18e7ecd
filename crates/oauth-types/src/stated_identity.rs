//! A user whom a service states to another one, in the header [`HEADER`] or in the cookie
//! [`COOKIE`]. No token proves it: it counts from peers alone that the receiver knows by
//! their TLS certificate.
//!
//! The content is a form (`application/x-www-form-urlencoded`), which fits a header and a
//! cookie (RFC 6265 §4.1.1) whatever it says: `sub=<subject>`, and `scope=<scope>` where the
//! call may do less than the peer.

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::Scope;

/// The header, in small letters.
pub const HEADER: &str = "x-identity";
/// The cookie with the same content.
pub const COOKIE: &str = "identity";
/// The maximum length of the content in bytes.
pub const MAX_LEN: usize = 2048;
/// The maximum length of a subject in characters (OIDC Core §2).
pub const MAX_SUB: usize = 255;

/// What a peer states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedIdentity {
    sub: String,
    scope: Option<Scope>,
}

/// Why a statement cannot be read. No part of it is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadIdentity {
    /// Over the limit.
    #[error("it may have {MAX_LEN} bytes")]
    TooLong,
    /// A form encodes both, so a proxy has joined two headers (RFC 9110 §5.3).
    #[error("it has a comma or a space that is not encoded: two headers may have been joined")]
    Joined,
    /// A member that is not known.
    #[error("it may have the members sub and scope alone")]
    Unknown,
    /// Which one counts?
    #[error("it has a member more than once")]
    Repeated,
    /// OIDC Core §2.
    #[error("sub is missing, or not 1 to {MAX_SUB} printable ASCII characters")]
    Sub,
    /// RFC 6749 §3.3.
    #[error("scope is not a scope (RFC 6749 section 3.3)")]
    Scope,
}

impl StatedIdentity {
    /// The user `sub`; `scope`: what the call may do at most, if that is less than the peer
    /// may.
    pub fn new(sub: &str, scope: Option<Scope>) -> Result<Self, BadIdentity> {
        let is_printable = sub.bytes().all(|b| (b' '..=b'~').contains(&b));
        if sub.is_empty() || sub.len() > MAX_SUB || !is_printable {
            return Err(BadIdentity::Sub);
        }
        if scope.as_ref().is_some_and(Scope::is_empty) {
            return Err(BadIdentity::Scope);
        }
        let stated = Self {
            sub: sub.to_owned(),
            scope,
        };
        match stated.to_string().len() {
            0..=MAX_LEN => Ok(stated),
            _ => Err(BadIdentity::TooLong),
        }
    }

    /// Reads the value of the header or of the cookie.
    pub fn read(value: &[u8]) -> Result<Self, BadIdentity> {
        if value.len() > MAX_LEN {
            return Err(BadIdentity::TooLong);
        }
        if value.iter().any(|byte| b", \t".contains(byte)) {
            return Err(BadIdentity::Joined);
        }
        let (mut sub, mut scope, mut names) = (None, None, BTreeSet::new());
        for (name, text) in form_urlencoded::parse(value) {
            let member = match &*name {
                "sub" => &mut sub,
                "scope" => &mut scope,
                _ => return Err(BadIdentity::Unknown),
            };
            *member = Some(text);
            if !names.insert(name) {
                return Err(BadIdentity::Repeated);
            }
        }
        let scope = scope.map(|text| Scope::from_str(&text));
        let scope = scope.transpose().map_err(|_| BadIdentity::Scope)?;
        Self::new(&sub.unwrap_or_default(), scope)
    }

    /// The user.
    pub fn sub(&self) -> &str {
        &self.sub
    }

    /// What the call may do at most, if that is less than the peer may.
    pub const fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }
}

/// The value of the header and of the cookie.
impl fmt::Display for StatedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("sub", &self.sub);
        if let Some(scope) = &self.scope {
            form.append_pair("scope", &scope.to_string());
        }
        f.write_str(&form.finish())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(value: &str) -> BadIdentity {
        StatedIdentity::read(value.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_user_and_a_scope_are_read_in_any_encoding_of_a_form() {
        let alone = StatedIdentity::read(b"sub=6f0c3a52").unwrap();
        assert_eq!((alone.sub(), alone.scope()), ("6f0c3a52", None));
        let scope = "https://api-1/read https://api-1/write".parse().unwrap();
        let both = StatedIdentity::new("auth0|a b", Some(scope)).unwrap();
        for value in [
            "sub=auth0%7Ca+b&scope=https%3A%2F%2Fapi-1%2Fread+https%3A%2F%2Fapi-1%2Fwrite",
            "scope=https://api-1/write%20https://api-1/read&sub=auth0|a%20b",
        ] {
            assert_eq!(StatedIdentity::read(value.as_bytes()), Ok(both.clone()));
        }
    }

    #[test]
    fn what_is_missing_repeated_unknown_or_too_long_is_refused() {
        let long = "a".repeat(MAX_SUB + 1);
        for wrong in ["", "sub", "sub=", "scope=x", "sub=%00", "sub=Zo%C3%AB"] {
            assert_eq!(refused(wrong), BadIdentity::Sub, "{wrong}");
        }
        assert_eq!(refused(&format!("sub={long}")), BadIdentity::Sub);
        for wrong in ["sub=a&sub=a", "sub=a&sub=b", "sub=&sub=a"] {
            assert_eq!(refused(wrong), BadIdentity::Repeated, "{wrong}");
        }
        for wrong in ["sub=a, sub=b", "sub=a,sub=b", "sub=a b", "sub=a&scope=x\ty"] {
            assert_eq!(refused(wrong), BadIdentity::Joined, "{wrong}");
        }
        for wrong in ["alice", "sub=a&role=admin", "Sub=a", "sub=a&%00=x"] {
            assert_eq!(refused(wrong), BadIdentity::Unknown, "{wrong}");
        }
        for wrong in ["sub=a&scope=", "sub=a&scope=%22", "sub=a&scope=+"] {
            assert_eq!(refused(wrong), BadIdentity::Scope, "{wrong}");
        }
        let padded = format!("sub=a{}", "&".repeat(MAX_LEN));
        assert_eq!(refused(&padded), BadIdentity::TooLong);
    }

    proptest! {
        #[test]
        fn what_is_stated_is_read_again_and_fits_a_header_and_a_cookie(
            sub in "[ -~]{1,255}",
            scope in proptest::option::of("[a-z:/.-]{1,20}( [a-z:/.-]{1,20}){0,8}"),
        ) {
            let scope: Option<Scope> = scope.map(|text| text.parse().unwrap());
            let stated = StatedIdentity::new(&sub, scope).unwrap();
            let value = stated.to_string();
            // RFC 6265 §4.1.1: cookie-octet.
            let fits = value.bytes().all(|b| b.is_ascii_graphic() && !b"\",;\\".contains(&b));
            prop_assert!(fits, "{value}");
            prop_assert_eq!(StatedIdentity::read(value.as_bytes()), Ok(stated));
        }
    }

    #[test]
    fn fuzz_stated_identities() {
        let seeds = [
            "sub=alice",
            "sub=a+b&scope=https%3A%2F%2Fapi-1%2Fread",
            "scope=x&sub=a",
        ];
        fuzz::run(&seeds, |value| {
            let Ok(stated) = StatedIdentity::read(value) else {
                return;
            };
            assert!(!stated.sub().is_empty() && stated.sub().len() <= MAX_SUB);
            assert!(!stated.sub().contains(|c: char| c.is_control()));
            let again = stated.to_string();
            assert!(again.len() <= MAX_LEN);
            assert_eq!(StatedIdentity::read(again.as_bytes()), Ok(stated));
        });
    }
}
