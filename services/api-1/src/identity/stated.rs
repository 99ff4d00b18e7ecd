//! What a request states, and the caller that follows from it.

use std::sync::Arc;

use actix_web::http::header::{HeaderMap, HeaderValue};
use oauth_types::{
    Scope, StatedIdentity,
    stated_identity::{BadIdentity, COOKIE, HEADER},
};
use web_kit::cookies;

/// All values of the header and of the cookie in a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Statements {
    headers: Vec<Vec<u8>>,
    cookies: Vec<Vec<u8>>,
}

/// The statement of a peer that may make it. The routes of a request find it among its
/// extensions.
#[derive(Clone, Debug)]
pub(super) struct Stated {
    /// The name in the peer's certificate.
    pub(super) by: Arc<str>,
    /// The scope of calls in which the peer states the user.
    pub(super) scope: Scope,
    pub(super) statements: Statements,
}

/// A user whom a trusted peer states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdentityCaller {
    /// The user.
    pub(crate) sub: String,
    /// What the call may do.
    pub(crate) scope: Scope,
    /// The name in the peer's certificate.
    pub(crate) by: Arc<str>,
}

/// Why a statement does not count, although its peer may make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadStatement {
    /// More than one header, more than one cookie, or a header beside another cookie.
    #[error("Send one identity header, or one cookie; both only with the same content.")]
    Several,
    /// Beside an access token or an API key.
    #[error("Send an identity, or an access token, or an API key: one credential.")]
    OtherCredential,
    /// It cannot be read.
    #[error("The identity cannot be read: {0}.")]
    Unreadable(#[from] BadIdentity),
}

impl Statements {
    /// Removes them from the request with these headers.
    pub(super) fn take(headers: &mut HeaderMap) -> Self {
        let own = headers.remove(HEADER);
        let own = own.map(|value: HeaderValue| value.as_bytes().to_vec());
        Self {
            headers: own.collect(),
            cookies: cookies::remove(headers, COOKIE),
        }
    }

    /// Whether the request states nothing.
    pub(super) const fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.cookies.is_empty()
    }

    /// The one value.
    fn only(&self) -> Result<&[u8], BadStatement> {
        match (&self.headers[..], &self.cookies[..]) {
            ([one], []) | ([], [one]) => Ok(one),
            ([header], [cookie]) if header == cookie => Ok(header),
            _ => Err(BadStatement::Several),
        }
    }
}

impl Stated {
    /// The user whom the peer states.
    pub(super) fn caller(&self) -> Result<IdentityCaller, BadStatement> {
        let stated = StatedIdentity::read(self.statements.only()?)?;
        let scope = match stated.scope() {
            Some(less) => self.scope.intersect(less),
            None => self.scope.clone(),
        };
        Ok(IdentityCaller {
            sub: stated.sub().to_owned(),
            scope,
            by: self.by.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{self, HeaderName};

    use super::*;
    use crate::{READ, WRITE};

    fn sent(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            // Names are read in any case.
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn caller(lines: &[(&'static str, &str)]) -> Result<IdentityCaller, BadStatement> {
        let stated = Stated {
            by: "spiffe://mesh/app1".into(),
            scope: [READ, WRITE].into_iter().collect(),
            statements: Statements::take(&mut sent(lines)),
        };
        stated.caller()
    }

    #[test]
    fn a_header_or_a_cookie_states_the_user_and_both_only_the_same() {
        for lines in [
            &[("X-Identity", "sub=alice")][..],
            &[("x-IDENTITY", "sub=alice"), ("cookie", "a=1")],
            &[("cookie", "a=1; identity=sub=alice")],
            &[
                ("x-identity", "sub=alice"),
                ("cookie", "identity=sub=alice"),
            ],
        ] {
            let caller = caller(lines).unwrap();
            assert_eq!((&*caller.sub, &*caller.by), ("alice", "spiffe://mesh/app1"));
            assert!(caller.scope.contains(READ) && caller.scope.contains(WRITE));
        }
        for several in [
            &[("x-identity", "sub=alice"), ("X-Identity", "sub=alice")][..],
            &[("cookie", "identity=sub=alice; identity=sub=alice")],
            &[
                ("cookie", "identity=sub=alice"),
                ("cookie", "identity=sub=bob"),
            ],
            &[("x-identity", "sub=alice"), ("cookie", "identity=sub=bob")],
        ] {
            assert_eq!(caller(several), Err(BadStatement::Several), "{several:?}");
        }
        let unreadable = caller(&[("x-identity", "alice")]).unwrap_err();
        assert_eq!(unreadable, BadIdentity::Unknown.into());
    }

    #[test]
    fn a_stated_scope_makes_it_less_and_never_more() {
        let caller = |scope: &str| {
            let value = format!("sub=alice&scope={scope}");
            caller(&[("x-identity", value.as_str())]).unwrap().scope
        };
        assert_eq!(caller(READ), READ.parse().unwrap());
        assert!(caller("https://api-2/write").is_empty());
    }

    #[test]
    fn both_are_removed_whatever_they_are_and_nothing_else() {
        let mut headers = sent(&[
            ("X-IDENTITY", "%%%"),
            ("x-identity", "sub=alice"),
            ("x-identity-2", "kept"),
            ("cookie", "identity=sub=bob; theme=dark; identity=x"),
        ]);
        let taken = Statements::take(&mut headers);
        assert_eq!((taken.headers.len(), taken.cookies.len()), (2, 2));
        assert!(!headers.contains_key(HEADER));
        assert_eq!(headers.get(header::COOKIE).unwrap(), "theme=dark");
        assert_eq!(headers.get("x-identity-2").unwrap(), "kept");
        assert!(Statements::take(&mut headers).is_empty());
    }
}
