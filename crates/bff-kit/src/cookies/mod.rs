//! The one home of the apps' cookies: names, attributes, lifetimes. They are read
//! by [`web_kit::cookies`]; `split` divides values that are too long for one cookie,
//! `set` collects the changes for a response.

mod set;
mod split;

use std::time::Duration;

use actix_web::{
    Error, HttpRequest,
    body::MessageBody,
    cookie::{Cookie, SameSite, time},
    dev::{ServiceRequest, ServiceResponse},
    http::header,
    middleware::Next,
};
use kit::{config::Weaknesses, seal::fingerprint};
pub(crate) use web_kit::cookies::Cookies;
use web_kit::same_site::same_site;

use self::split::split;
pub(crate) use self::{
    set::SetCookies,
    split::{TooLarge, whole},
};
use crate::audiences::Audience;

/// The session's cookie. `__Host-` lets a browser take it only with `Secure`,
/// `Path=/` and no `Domain`: no sibling host can set or read it.
pub const SESSION: &str = "__Host-session_id";
/// `hybrid` and `stateless`: who is signed in, sealed.
pub(crate) const IDENTITY: &str = "__Host-session";
/// `stateless`: the refresh token and the id_token, sealed.
pub(crate) const RENEWAL: &str = "__Host-refresh";
/// `hybrid` and `stateless`: which sessions have ended in this browser.
pub(crate) const ENDED: &str = "__Host-ended";
/// The prefix of the cookie of a login in progress.
const LOGIN_PREFIX: &str = "__Host-login_";
/// How many characters of the state's hash are in that cookie's name.
const HASH_LEN: usize = 16;

/// The cookie that carries the session's id. It ends with the browser; the
/// record in the store says when the session ends.
pub(crate) fn session(id: &str) -> Cookie<'static> {
    host_cookie(SESSION.to_owned(), id.to_owned())
}

/// One of the sealed cookies, which ends with the browser too.
pub(crate) fn sealed(name: &'static str, value: &str) -> Result<Vec<Cookie<'static>>, TooLarge> {
    split(&host_cookie(name.to_owned(), String::new()), value)
}

/// The access token for `audience`, sent to this app's paths of that API alone:
/// hence `__Secure-`, for `__Host-` allows no `Path` but `/`.
pub(crate) fn access_token(
    audience: &Audience,
    token: &str,
    lives: Duration,
) -> Result<Vec<Cookie<'static>>, TooLarge> {
    let mut cookie = base(audience.cookie.to_owned(), String::new(), audience.path);
    cookie.set_max_age(lasting(lives));
    split(&cookie, token)
}

/// Names the sessions that have ended in this browser, for as long as a late answer
/// could set the cookies of one of them.
pub(crate) fn ended(value: String, lives: Duration) -> Cookie<'static> {
    let mut cookie = host_cookie(ENDED.to_owned(), value);
    cookie.set_max_age(lasting(lives));
    cookie
}

/// The cookie that binds the login of `state` to this browser. Each login has
/// a name of its own, so that tabs do not overwrite each other.
pub(crate) fn login(state: &str, value: &str, lives: Duration) -> Cookie<'static> {
    let mut cookie = host_cookie(login_name(state), value.to_owned());
    cookie.set_max_age(lasting(lives));
    cookie
}

/// Removes the cookie `name`.
pub(crate) fn forget(name: &str) -> Cookie<'static> {
    let mut cookie = host_cookie(name.to_owned(), String::new());
    cookie.make_removal();
    cookie
}

/// Removes all cookies of a session except [`ENDED`]. Those with an API's path may
/// not have been sent, so they are removed unseen.
pub(crate) fn forget_session(cookies: &Cookies<'_>) -> Vec<Cookie<'static>> {
    let own = [SESSION, IDENTITY, RENEWAL];
    let mut gone: Vec<_> = own
        .into_iter()
        .flat_map(|name| split::parts_of(cookies, name).map(forget))
        .collect();
    let has_token_cookies = cookies.get(IDENTITY).is_some();
    for audience in Audience::ALL.iter().filter(|_| has_token_cookies) {
        for name in split::names(audience.cookie) {
            let mut cookie = base(name, String::new(), audience.path);
            cookie.make_removal();
            gone.push(cookie);
        }
    }
    gone
}

/// The name of a session cookie that the browser sends more than once. None of them is
/// used, so a sign-in would fail.
pub(crate) fn duplicate<'r>(cookies: &Cookies<'r>) -> Option<&'r str> {
    let is_sessions = |name: &str| {
        let split = [IDENTITY, RENEWAL];
        [SESSION, ENDED].contains(&name) || split.iter().any(|of| split::is_part(name, of))
    };
    let mut own = cookies.names().filter(|name| is_sessions(name));
    own.find(|name| cookies.is_duplicate(name))
}

/// The name of the cookie of the login of `state`.
pub(crate) fn login_name(state: &str) -> String {
    let hash = fingerprint(state);
    format!("{LOGIN_PREFIX}{}", &hash[..HASH_LEN])
}

/// Name and value of the cookie of each login in progress in this browser.
pub(crate) fn logins(req: &HttpRequest) -> Vec<(String, String)> {
    Cookies::of(req)
        .all()
        .filter(|(name, _)| name.starts_with(LOGIN_PREFIX))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// How many bytes of cookies there are in `headers`.
pub(crate) fn bytes(headers: &header::HeaderMap) -> usize {
    let lines = headers.get_all(header::COOKIE);
    lines.map(header::HeaderValue::len).sum()
}

/// For a lab: sets the weakened `SameSite` on the answer's cookies, if it is weakened.
pub(crate) async fn weakened<B: MessageBody>(
    weaknesses: Weaknesses,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let mut answered = next.call(req).await?;
    let same_site = same_site(weaknesses);
    if same_site == Some(SameSite::Lax) {
        return Ok(answered);
    }
    let answer = answered.response_mut();
    let strong: Vec<_> = answer.cookies().map(Cookie::into_owned).collect();
    answer.headers_mut().remove(header::SET_COOKIE);
    for mut cookie in strong {
        cookie.set_same_site(same_site);
        answer.add_cookie(&cookie)?;
    }
    Ok(answered)
}

fn lasting(lives: Duration) -> time::Duration {
    time::Duration::try_from(lives).unwrap_or(time::Duration::MINUTE)
}

fn host_cookie(name: String, value: String) -> Cookie<'static> {
    base(name, value, "/")
}

fn base(name: String, value: String, path: &'static str) -> Cookie<'static> {
    // SameSite is written although Lax is the default: Chromium sends a cookie
    // that names none on cross-site POSTs for its first two minutes.
    Cookie::build(name, value)
        .path(path)
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
    fn every_cookie_is_bound_secure_http_only_and_lax() {
        let hour = Duration::from_secs(3600);
        let mut all = vec![
            session("id"),
            login("S555", "v", hour),
            forget("__Host-login_x"),
            ended("x".to_owned(), hour),
        ];
        all.extend(sealed(IDENTITY, "x").unwrap());
        for cookie in all {
            let text = cookie.to_string();
            assert!(text.starts_with("__Host-"), "{text}");
            for attribute in ["; HttpOnly", "; Secure", "; SameSite=Lax", "; Path=/"] {
                assert!(text.contains(attribute), "{text}");
            }
            assert!(!text.contains("Domain"), "{text}");
        }
        for audience in &Audience::ALL {
            let token = access_token(audience, "a.b.c", hour).unwrap().remove(0);
            let text = token.to_string();
            assert!(text.starts_with("__Secure-"), "{text}");
            let path = format!("; Path={}", audience.path);
            for attribute in [
                "; HttpOnly",
                "; Secure",
                "; SameSite=Lax",
                &path,
                "; Max-Age=3600",
            ] {
                assert!(text.contains(attribute), "{attribute}: {text}");
            }
        }
    }

    #[test]
    fn the_sessions_cookie_ends_with_the_browser_and_a_logins_after_ten_minutes() {
        assert_eq!(session("id").max_age(), None);
        let ten_minutes = Duration::from_secs(600);
        assert_eq!(
            login("S555", "v", ten_minutes).max_age(),
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
    }

    #[actix_web::test]
    async fn a_lab_weakens_what_every_cookie_says_and_nothing_else_of_it() {
        use actix_web::{App, HttpResponse, middleware::from_fn, test, web};
        use kit::config::Weakness;

        async fn two() -> HttpResponse {
            let (session, login) = (session("id"), login("S555", "v", Duration::ZERO));
            HttpResponse::Ok().cookie(session).cookie(login).finish()
        }
        let none = [Weakness::SameSiteNone].into_iter().collect();
        let app = App::new().route("/", web::get().to(two));
        let app = app.wrap(from_fn(move |req, next| weakened(none, req, next)));
        let app = test::init_service(app).await;
        let request = TestRequest::get().to_request();
        let answer = test::call_service(&app, request).await;
        let cookies: Vec<_> = answer.response().cookies().collect();
        assert_eq!(cookies.len(), 2);
        for cookie in cookies {
            assert_eq!(cookie.same_site(), Some(SameSite::None));
            assert_eq!(cookie.secure(), Some(true));
            assert_eq!(cookie.http_only(), Some(true));
        }
    }
}
