//! The provider's cookies: the one home of their attributes. `__Host-` binds
//! them to this host, Secure and Path=/ (RFC 6265bis §4.1.3.2).

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, time},
};
use kit::{clock::Timestamp, config::Weaknesses};
use web_kit::same_site::same_site;

/// The browser's session here: `<sid>.<secret>`.
pub const SESSION: &str = "__Host-idp_session";
/// Binds the sign-in form to this browser: a form that another site sends in
/// the victim's browser belongs to another one (login CSRF).
pub const BROWSER: &str = "__Host-idp_browser";

/// The characters of a value that we made (`Random::token`).
pub const TOKEN_LEN: usize = 43;

/// The most characters of a cookie's value that are looked at.
const MAX_LEN: usize = 256;

/// The value of `name`. Two cookies of one name are none, and neither is an
/// empty one. Names are taken as they were sent: decoded, `%5F%5FHost-` would
/// pass for the prefix that browsers guard.
pub fn read(req: &HttpRequest, name: &str) -> Option<String> {
    let cookies = req.cookies_raw().ok()?;
    let mut own = cookies.iter().filter(|cookie| cookie.name() == name);
    let first = own.next()?;
    if own.next().is_some() || first.value().is_empty() || first.value().len() > MAX_LEN {
        return None;
    }
    Some(first.value().to_owned())
}

/// The session's cookie.
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

/// Removes the session's cookie.
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

/// The form's cookie; it ends with the browser.
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
