//! The changes to the browser's cookies: a value that calls return, and that a handler
//! adds to its response.

use actix_web::{HttpResponse, cookie::Cookie};

/// Cookies to set with one response. Of two cookies with the same name, the later one is
/// set.
#[derive(Default)]
#[must_use = "the browser keeps its old cookies unless a response sets these"]
pub(crate) struct SetCookies(Vec<Change>);

enum Change {
    Now(Cookie<'static>),
    /// Made when the response is ready, because the session may have changed while the
    /// request was handled.
    Late(Box<dyn FnOnce() -> Vec<Cookie<'static>>>),
}

impl SetCookies {
    /// Sets `cookies` too.
    pub(crate) fn add(&mut self, cookies: impl IntoIterator<Item = Cookie<'static>>) {
        self.0.extend(cookies.into_iter().map(Change::Now));
    }

    /// Sets the cookies that `make` returns when the response is ready.
    pub(crate) fn add_late(&mut self, make: impl FnOnce() -> Vec<Cookie<'static>> + 'static) {
        self.0.push(Change::Late(Box::new(make)));
    }

    /// Sets the cookies of `later` too.
    pub(crate) fn append(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    /// `answer` with these cookies.
    pub(crate) fn add_to(self, mut answer: HttpResponse) -> HttpResponse {
        for cookie in self.into_cookies() {
            if let Err(error) = answer.add_cookie(&cookie) {
                tracing::error!("a cookie does not fit a header: {error}");
            }
        }
        answer
    }

    /// One cookie for each name.
    pub(crate) fn into_cookies(self) -> Vec<Cookie<'static>> {
        let mut set: Vec<Cookie<'static>> = Vec::new();
        for change in self.0.into_iter().rev() {
            let cookies = match change {
                Change::Now(cookie) => vec![cookie],
                Change::Late(make) => make(),
            };
            for cookie in cookies {
                if set.iter().all(|later| later.name() != cookie.name()) {
                    set.push(cookie);
                }
            }
        }
        set
    }
}

impl From<Vec<Cookie<'static>>> for SetCookies {
    fn from(cookies: Vec<Cookie<'static>>) -> Self {
        Self(cookies.into_iter().map(Change::Now).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookies::{forget, session};

    #[test]
    fn of_one_name_the_last_cookie_is_set() {
        let mut all = SetCookies::from(vec![session("first"), forget("__Host-login_x")]);
        all.add_late(|| vec![session("late")]);
        let mut last = SetCookies::default();
        last.add([session("last")]);
        all.append(last);
        let answer = all.add_to(HttpResponse::Ok().finish());
        let mut set: Vec<_> = answer
            .cookies()
            .map(|c| format!("{}={}", c.name(), c.value()))
            .collect();
        set.sort();
        assert_eq!(set, ["__Host-login_x=", "__Host-session_id=last"]);
    }
}
