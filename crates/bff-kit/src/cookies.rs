//! The one home of cookies: names, attributes, reading.
//!
//! Cookies are read as they were sent: a decoded name would let a sibling's
//! `%5F%5FHost-…`, to which a browser applies no `__Host-` rule, pass for ours.

use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time},
};
use kit::seal::fingerprint;

use crate::pre_session::LIFETIME;

/// The session's cookie. `__Host-` lets a browser take it only with `Secure`,
/// `Path=/` and no `Domain`: no sibling host can set or read it.
pub const SESSION: &str = "__Host-session_id";
/// How the cookie of a login under way begins.
const LOGIN_PREFIX: &str = "__Host-login_";
/// How much of the state's hash stands in that cookie's name.
const HASH_LEN: usize = 16;

/// The cookie that carries the session's id. It ends with the browser; the
/// record in the store says when the session ends.
pub(crate) fn session(id: &str) -> Cookie<'static> {
    host_cookie(SESSION.to_owned(), id.to_owned())
}

/// The cookie that binds the login of `state` to this browser. Each login has
/// a name of its own, so that tabs do not overwrite each other.
pub(crate) fn login(state: &str, value: &str) -> Cookie<'static> {
    let mut cookie = host_cookie(login_name(state), value.to_owned());
    cookie.set_max_age(time::Duration::try_from(LIFETIME).unwrap_or(time::Duration::MINUTE));
    cookie
}

/// Makes the browser forget the cookie `name` of a login.
pub(crate) fn forget(name: &str) -> Cookie<'static> {
    let mut cookie = host_cookie(name.to_owned(), String::new());
    cookie.make_removal();
    cookie
}

/// The name of the cookie of the login of `state`.
pub(crate) fn login_name(state: &str) -> String {
    let hash = fingerprint(state);
    format!("{LOGIN_PREFIX}{}", &hash[..HASH_LEN])
}

/// What the browser's cookie `name` holds.
pub(crate) fn read(req: &HttpRequest, name: &str) -> Option<String> {
    req.cookie_raw(name).map(|cookie| cookie.value().to_owned())
}

/// Name and value of the cookie of each login under way in this browser.
pub(crate) fn logins(req: &HttpRequest) -> Vec<(String, String)> {
    let Ok(cookies) = req.cookies_raw() else {
        return Vec::new();
    };
    let logins = cookies
        .iter()
        .filter(|cookie| cookie.name().starts_with(LOGIN_PREFIX));
    logins
        .map(|cookie| (cookie.name().to_owned(), cookie.value().to_owned()))
        .collect()
}

fn host_cookie(name: String, value: String) -> Cookie<'static> {
    // SameSite is written although Lax is the default: Chromium sends a cookie
    // that names none on cross-site POSTs for its first two minutes.
    Cookie::build(name, value)
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .finish()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn every_cookie_is_host_bound_secure_http_only_and_lax() {
        for cookie in [session("id"), login("S555", "v"), forget("__Host-login_x")] {
            let text = cookie.to_string();
            assert!(text.starts_with("__Host-"), "{text}");
            for attribute in ["; HttpOnly", "; Secure", "; SameSite=Lax", "; Path=/"] {
                assert!(text.contains(attribute), "{text}");
            }
            assert!(!text.contains("Domain"), "{text}");
        }
    }

    #[test]
    fn the_sessions_cookie_ends_with_the_browser_and_a_logins_after_ten_minutes() {
        assert_eq!(session("id").max_age(), None);
        assert_eq!(
            login("S555", "v").max_age(),
            Some(time::Duration::minutes(10))
        );
        assert_eq!(forget("x").max_age(), Some(time::Duration::ZERO));
    }

    #[test]
    fn each_login_has_a_name_of_its_own_that_does_not_tell_the_state() {
        assert_ne!(login_name("S555"), login_name("S556"));
        assert!(!login_name("S555").contains("S555"));
    }

    #[test]
    fn only_logins_count_as_logins() {
        let request = TestRequest::default()
            .cookie(Cookie::new(SESSION, "a"))
            .cookie(Cookie::new("__Host-login_x", "b"))
            .to_http_request();
        assert_eq!(
            logins(&request),
            [("__Host-login_x".to_owned(), "b".to_owned())]
        );
        assert_eq!(read(&request, SESSION).as_deref(), Some("a"));
    }

    #[test]
    fn rfc6265bis_4_1_3_2_an_encoded_name_is_no_host_cookie() {
        let request = TestRequest::default()
            .insert_header((
                "cookie",
                "%5F%5FHost-session_id=planted; %5F%5FHost-login_x=planted; __Host-session_id=own",
            ))
            .to_http_request();
        assert_eq!(read(&request, SESSION).as_deref(), Some("own"));
        assert!(logins(&request).is_empty());
        let planted = TestRequest::default()
            .insert_header(("cookie", "%5F%5FHost-session_id=planted"))
            .to_http_request();
        assert_eq!(read(&planted, SESSION), None);
    }
}
