//! The page of this site to which a browser goes once it has begun a journey. The way there
//! leads through the other sites, so the browser keeps it meanwhile.

use actix_web::{HttpRequest, HttpResponse};
use web_kit::{cookies::Cookies, journey::cookie};

/// It names a page and no person, so it is neither sealed nor secret.
const COOKIE: &str = "__Host-lab_then";
/// How long the way through the sites may take, in seconds.
const LIFE: i64 = 60;
/// How long a way may take on which somebody types a password, in seconds.
const LOGIN_LIFE: i64 = 15 * 60;

/// Lets the browser that gets `answer` go on to `page` in the end.
pub(super) fn remember(answer: &mut HttpResponse, page: &str) {
    keep(answer, page, LIFE);
}

/// The same where the way leads through a login.
pub(crate) fn remember_during_login(answer: &mut HttpResponse, page: &str) {
    keep(answer, page, LOGIN_LIFE);
}

fn keep(answer: &mut HttpResponse, page: &str, secs: i64) {
    // It fails only if the cookie cannot be written as a header.
    let _ = answer.add_cookie(&cookie(COOKIE, page.to_owned(), secs));
}

/// The page to which the browser of `req` goes on.
pub(super) fn of(req: &HttpRequest) -> Option<String> {
    let cookies = Cookies::of(req);
    let page = cookies.get(COOKIE)?;
    is_own(page).then(|| page.to_owned())
}

/// Forgets it.
pub(super) fn forget(answer: &mut HttpResponse) {
    let _ = answer.add_cookie(&cookie(COOKIE, String::new(), 0));
}

/// Whether `page` is a page of this site to which a form may lead.
pub(super) fn is_own(page: &str) -> bool {
    let known =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-/".contains(&byte);
    let parts = ["/scenarios", "/attacks"];
    let rest = parts.iter().find_map(|part| page.strip_prefix(part));
    // One part for the name, and one for what is done there.
    let is_path = |rest: &str| {
        let mut parts = rest.split('/');
        parts.next() == Some("") && parts.all(|part| !part.is_empty())
    };
    rest.is_some_and(|rest| rest.len() <= 80 && rest.bytes().all(known) && is_path(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_goes_on_to_a_scenario_or_an_attack_of_this_site_alone() {
        for own in [
            "/scenarios/bff-login/0",
            "/attacks",
            "/attacks/csrf-image/go",
        ] {
            assert!(is_own(own), "{own}");
        }
        for foreign in [
            "",
            "/",
            "//evil.localhost",
            "/journey",
            "/scenarios/..%2f",
            "/attacks/",
            "/attacks//evil.localhost",
            "/attacksome",
            "/scenarios/a?b",
            "http://evil.localhost/scenarios/",
        ] {
            assert!(!is_own(foreign), "{foreign}");
        }
    }
}
