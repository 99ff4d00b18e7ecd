//! Values beyond what browsers keep in one cookie: 4,096 bytes of name, value
//! and attributes together (RFC 6265 §6.1). They are split over a few cookies;
//! what does not fit is refused, for a browser would drop it silently.

use std::borrow::Cow;

use actix_web::cookie::Cookie;

use super::Cookies;

/// What a browser keeps, in bytes.
const MAX_COOKIE: usize = 4096;
/// The most cookies for one value: the two sealed ones and an API's access token
/// are then 24 KiB at most, and leave room in a request's 32 KiB of headers.
const MAX_PARTS: usize = 2;

/// A shorter value is in one cookie: the common case copies nothing and searches for
/// no further part.
const ALONE: usize = MAX_COOKIE / 2;

/// The value is too large for its cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has {bytes} bytes, and {MAX_PARTS} cookies hold less")]
pub(crate) struct TooLarge {
    /// How long it is.
    pub(crate) bytes: usize,
}

/// `value` in as many cookies like `pattern` as it needs: `name`, `name.1`, …
/// The next one is removed, so that the rest of a longer old value is not appended.
pub(crate) fn split(
    pattern: &Cookie<'static>,
    value: &str,
) -> Result<Vec<Cookie<'static>>, TooLarge> {
    let longest_name = pattern.name().len() + 2;
    let attributes = pattern.to_string().len() - pattern.name().len();
    let room = MAX_COOKIE - longest_name - attributes;
    let parts: Vec<_> = value.as_bytes().chunks(room).collect();
    if parts.len() > MAX_PARTS {
        return Err(TooLarge { bytes: value.len() });
    }
    let mut cookies = Vec::with_capacity(parts.len());
    for (name, part) in names(pattern.name()).zip(&parts) {
        let mut cookie = pattern.clone();
        cookie.set_name(name);
        cookie.set_value(String::from_utf8_lossy(part).into_owned());
        cookies.push(cookie);
    }
    // `whole` would take it for a part of this value.
    if value.len() >= ALONE && parts.len() < MAX_PARTS {
        let mut rest = pattern.clone();
        rest.set_name(format!("{}.{}", pattern.name(), parts.len()));
        rest.make_removal();
        cookies.push(rest);
    }
    Ok(cookies)
}

/// The names of all cookies that a value of `name` may have.
pub(super) fn names(name: &str) -> impl Iterator<Item = String> {
    (0..MAX_PARTS).map(move |n| match n {
        0 => name.to_owned(),
        _ => format!("{name}.{n}"),
    })
}

/// Whether the cookie `own` holds a part of the value of `name`.
pub(super) fn is_part(own: &str, name: &str) -> bool {
    match own.strip_prefix(name) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('.').is_some_and(|n| {
            n.parse::<usize>()
                .is_ok_and(|n| (1..MAX_PARTS).contains(&n))
        }),
        None => false,
    }
}

/// The names of the cookies among `cookies` that hold the value of `name`.
pub(super) fn parts_of<'r>(
    cookies: &Cookies<'r>,
    name: &'static str,
) -> impl Iterator<Item = &'r str> {
    cookies.names().filter(move |own| is_part(own, name))
}

/// The value of `name`, joined again. If a part is missing, its signature or seal
/// does not verify.
pub(crate) fn whole<'r>(cookies: &Cookies<'r>, name: &str) -> Option<Cow<'r, str>> {
    let first = cookies.get(name)?;
    if first.len() < ALONE {
        return Some(Cow::Borrowed(first));
    }
    let mut whole = Cow::Borrowed(first);
    for name in names(name).skip(1) {
        match cookies.get(&name) {
            Some(part) => whole.to_mut().push_str(part),
            None => break,
        }
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::cookies::sealed;

    const NAME: &str = "__Host-session";

    fn sent_back(cookies: &[Cookie<'static>]) -> actix_web::HttpRequest {
        let kept = cookies.iter().filter(|cookie| cookie.max_age().is_none());
        let line: Vec<_> = kept
            .map(|c| format!("{}={}", c.name(), c.value()))
            .collect();
        TestRequest::default()
            .insert_header(("cookie", line.join("; ")))
            .to_http_request()
    }

    #[test]
    fn rfc6265_6_1_no_cookie_passes_4096_bytes_and_the_value_comes_back_whole() {
        for length in [0, 1, 3000, 4000, 4100, 7500] {
            let value: String = ('a'..='z').cycle().take(length).collect();
            let cookies = sealed(NAME, &value).unwrap();
            for cookie in &cookies {
                assert!(cookie.to_string().len() <= MAX_COOKIE, "{length}");
            }
            if length > 0 {
                let req = sent_back(&cookies);
                let joined = whole(&Cookies::of(&req), NAME).unwrap();
                assert_eq!(joined, value, "{length}");
            }
        }
    }

    #[test]
    fn what_two_cookies_do_not_hold_is_refused() {
        let value = "x".repeat(MAX_PARTS * MAX_COOKIE);
        assert_eq!(sealed(NAME, &value), Err(TooLarge { bytes: value.len() }));
    }

    #[test]
    fn parts_are_told_from_others() {
        for part in [NAME, "__Host-session.1"] {
            assert!(is_part(part, NAME), "{part}");
        }
        for other in [
            "__Host-session_id",
            "__Host-session.2",
            "__Host-session.0",
            "x",
        ] {
            assert!(!is_part(other, NAME), "{other}");
        }
    }
}
