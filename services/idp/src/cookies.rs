//! The cookies of the provider and their attributes. The prefix `__Host-` requires
//! Secure, Path=/ and no Domain (RFC 6265bis §4.1.3.2).

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, time},
};
use kit::{clock::Timestamp, config::Weaknesses};
use web_kit::{cookies::Cookies, same_site::same_site};

use crate::{known_browsers, page_error::PageError};

/// The login session of the browser: `<sid>.<secret>`.
pub const SESSION: &str = "__Host-idp_session";
/// Binds forms to this browser, against login CSRF: another site cannot submit a form
/// that was shown in another browser.
pub const BROWSER: &str = "__Host-idp_browser";

/// The users for whom the sign-in throttle knows this browser.
pub const KNOWN_BROWSER: &str = "__Host-idp_known_browser";

const OURS: [&str; 2] = [SESSION, BROWSER];

/// The characters of a value from `Random::token`.
pub const TOKEN_LEN: usize = 43;

/// The most characters of a cookie value that is accepted.
const MAX_LEN: usize = 256;

/// The value of `name`. Two cookies of one name count as none, and so does an empty
/// one.
pub fn read(req: &HttpRequest, name: &str) -> Option<String> {
    let cookies = Cookies::of(req);
    let value = cookies.get(name)?;
    (1..=MAX_LEN)
        .contains(&value.len())
        .then(|| value.to_owned())
}

/// Refuses a browser that sends one of these cookies twice: neither counts, and the
/// browser would send both again.
pub fn none_twice(req: &HttpRequest) -> Result<(), PageError> {
    let cookies = Cookies::of(req);
    let twice = OURS.into_iter().find(|name| cookies.is_duplicate(name));
    twice.map_or(Ok(()), |name| Err(PageError::cookie_twice(name)))
}

/// Whether `req` has one of these cookies, valid or not.
pub fn any(req: &HttpRequest) -> bool {
    let cookies = Cookies::of(req);
    OURS.iter().any(|name| cookies.brings(name))
}

/// The cookie of a session.
pub fn session(
    sid: &str,
    secret: &str,
    now: Timestamp,
    ends: Timestamp,
    weaknesses: Weaknesses,
) -> Cookie<'static> {
    let lives = time::Duration::milliseconds(ends.millis().saturating_sub(now.millis()));
    let mut cookie = base(SESSION, format!("{sid}.{secret}"), weaknesses);
    cookie.set_max_age(lives);
    cookie
}

/// The cookie for the sign-in throttle.
pub fn known_browser(value: String, weaknesses: Weaknesses) -> Cookie<'static> {
    let lives = time::Duration::try_from(known_browsers::LIFETIME);
    let mut cookie = base(KNOWN_BROWSER, value, weaknesses);
    cookie.set_max_age(lives.unwrap_or(time::Duration::MAX));
    cookie
}

/// Removes the cookie of the session.
pub fn no_session(weaknesses: Weaknesses) -> Cookie<'static> {
    let mut cookie = base(SESSION, String::new(), weaknesses);
    cookie.set_max_age(time::Duration::ZERO);
    cookie
}

/// `response`, with `cookie`.
pub fn with_cookie(mut response: HttpResponse, cookie: &Cookie<'_>) -> HttpResponse {
    if let Err(error) = response.add_cookie(cookie) {
        tracing::error!("cookie: {error}");
    }
    response
}

/// The cookie that binds forms, until the browser is closed.
pub fn browser(value: String, weaknesses: Weaknesses) -> Cookie<'static> {
    base(BROWSER, value, weaknesses)
}

fn base(name: &'static str, value: String, weaknesses: Weaknesses) -> Cookie<'static> {
    let mut cookie = Cookie::build(name, value)
        .path("/")
        .secure(true)
        .http_only(true)
        .finish();
    cookie.set_same_site(same_site(weaknesses));
    cookie
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn every_cookie_is_host_bound_secure_httponly_and_lax() {
        let (now, ends) = (Timestamp::from_secs(100), Timestamp::from_secs(160));
        let none = Weaknesses::default();
        for cookie in [
            session("s", "x", now, ends, none),
            browser("b".into(), none),
            known_browser("k".into(), none),
            no_session(none),
        ] {
            let line = cookie.to_string();
            assert!(line.starts_with("__Host-"), "{line}");
            for attribute in ["; HttpOnly", "; SameSite=Lax", "; Secure", "; Path=/"] {
                assert!(line.contains(attribute), "{attribute} in {line}");
            }
            assert!(!line.contains("Domain"), "{line}");
        }
        assert!(
            session("s", "x", now, ends, none)
                .to_string()
                .contains("Max-Age=60")
        );
        assert!(no_session(none).to_string().contains("Max-Age=0"));
    }

    #[test]
    fn two_cookies_of_one_name_are_none() {
        let req = TestRequest::default()
            .insert_header(("cookie", "a=1; a=2; b=3"))
            .to_http_request();
        assert_eq!(read(&req, "a"), None);
        assert_eq!(read(&req, "b").as_deref(), Some("3"));
    }

    #[test]
    fn an_empty_cookie_or_a_disguised_name_is_none() {
        let line = format!("{BROWSER}=; %5F%5FHost-idp_session=x");
        let req = TestRequest::default()
            .insert_header(("cookie", line))
            .to_http_request();
        assert_eq!(read(&req, BROWSER), None);
        assert_eq!(read(&req, SESSION), None);
    }
}
