//! Cookies as Chromium stores them: by host (not by port), with the rules of
//! RFC 6265bis for prefixes, `Secure`, `SameSite`, path and expiry. The jar records
//! each refused cookie with the reason.

use std::time::Duration;

use kit::clock::Timestamp;
use url::Url;

use super::cookie::{Cookie, SameSite, is_trustworthy, read};

/// The maximum number of cookies of a host, as in browsers.
const MAX_COOKIES: usize = 180;
/// The maximum number of refusals that are recorded.
const MAX_REFUSALS: usize = 100;
/// For this long Chromium sends a cookie without `SameSite` on a cross-site POST.
const LAX_ALLOWING_UNSAFE: Duration = Duration::from_secs(120);

/// A request, as far as `SameSite` is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// No other site initiated it.
    SameSite,
    /// Another site initiated it. It is a top-level navigation by a safe method.
    CrossSiteGet,
    /// Another site initiated it.
    CrossSite,
}

/// All cookies of a browser.
#[derive(Clone, Debug, Default)]
pub struct Jar {
    cookies: Vec<Cookie>,
    refused: Vec<String>,
}

impl Jar {
    /// All cookies, including expired ones that were not replaced.
    pub fn all(&self) -> &[Cookie] {
        &self.cookies
    }

    /// The cookies of a host.
    pub fn of<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Cookie> {
        self.cookies
            .iter()
            .filter(move |cookie| cookie.host == host)
    }

    /// A host's cookie.
    pub fn get(&self, host: &str, name: &str) -> Option<&Cookie> {
        self.cookies
            .iter()
            .find(|cookie| cookie.host == host && cookie.name == name)
    }

    /// The refused cookies, with the reasons.
    pub fn refused(&self) -> &[String] {
        &self.refused
    }

    /// Adds `cookie`, in place of one of the same host, name and path.
    pub fn put(&mut self, cookie: Cookie) {
        let key = |one: &Cookie| (one.host.clone(), one.name.clone(), one.path.clone());
        self.cookies.retain(|old| key(old) != key(&cookie));
        self.cookies.push(cookie);
    }

    /// Deletes a host's cookie.
    pub fn remove(&mut self, host: &str, name: &str) {
        self.cookies
            .retain(|cookie| cookie.host != host || cookie.name != name);
    }

    /// Changes the value of a host's cookie. Returns whether there is one.
    pub fn set(&mut self, host: &str, name: &str, value: &str) -> bool {
        let mut cookies = self.cookies.iter_mut();
        let cookie = cookies.find(|cookie| cookie.host == host && cookie.name == name);
        cookie.is_some_and(|cookie| {
            value.clone_into(&mut cookie.value);
            true
        })
    }

    /// A jar with the cookies of `host` only.
    pub(super) fn only(&self, host: &str) -> Self {
        Self {
            cookies: self.of(host).cloned().collect(),
            refused: Vec::new(),
        }
    }

    /// The `Cookie` header of a request (RFC 6265 §5.4).
    pub(super) fn header_for(&self, url: &Url, now: Timestamp, request: Sending) -> Option<String> {
        let host = url.host_str().unwrap_or_default();
        let is_sent = |cookie: &&Cookie| {
            let is_young = cookie.created.until(now) < LAX_ALLOWING_UNSAFE;
            let same_site = match cookie.same_site {
                _ if request == Sending::SameSite => true,
                SameSite::Strict => false,
                SameSite::Lax => request == Sending::CrossSiteGet,
                SameSite::Unspecified => request == Sending::CrossSiteGet || is_young,
                SameSite::None => true,
            };
            same_site
                && cookie.is_for(host)
                && cookie.expires.is_none_or(|expires| now < expires)
                && (!cookie.secure || is_trustworthy(url))
                && path_matches(url.path(), &cookie.path)
        };
        let mut matching: Vec<_> = self.cookies.iter().filter(is_sent).collect();
        matching.sort_by_key(|cookie| (std::cmp::Reverse(cookie.path.len()), cookie.created));
        let pairs: Vec<_> = matching
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Stores a `Set-Cookie` (RFC 6265bis §5.7), or records why it is refused.
    pub(super) fn receive(&mut self, url: &Url, line: &str, now: Timestamp) {
        let Err(why) = self.store(url, line, now) else {
            return;
        };
        if self.refused.len() < MAX_REFUSALS {
            let name = line.split(['=', ';']).next().unwrap_or_default();
            let host = url.host_str().unwrap_or_default();
            self.refused
                .push(format!("the cookie {name:?} of {host} was refused: {why}"));
        }
    }

    fn store(&mut self, url: &Url, line: &str, now: Timestamp) -> Result<(), &'static str> {
        let cookie = read(url, line, now)?;
        let is_same = |old: &Cookie| {
            (&old.host, &old.name, &old.path) == (&cookie.host, &cookie.name, &cookie.path)
        };
        if !is_trustworthy(url) && self.cookies.iter().any(|old| is_same(old) && old.secure) {
            return Err("it would replace a Secure cookie over a connection that is not");
        }
        self.cookies.retain(|old| !is_same(old));
        if cookie.expires.is_some_and(|expires| expires <= now) {
            return Ok(());
        }
        if self.of(&cookie.host).count() >= MAX_COOKIES {
            return Err("its host has too many cookies");
        }
        self.cookies.push(cookie);
        Ok(())
    }
}

/// RFC 6265 §5.1.4.
fn path_matches(path: &str, cookie: &str) -> bool {
    path.strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn url(url: &str) -> Url {
        Url::parse(url).unwrap()
    }

    fn received(lines: &[&str]) -> Jar {
        let mut jar = Jar::default();
        for line in lines {
            jar.receive(&url("http://app1.localhost:8082/a/b"), line, NOW);
        }
        jar
    }

    #[test]
    fn rfc6265bis_4_1_3_prefixes_are_enforced() {
        let jar = received(&[
            "__Host-a=1; Secure; Path=/",
            "__Host-b=1; Secure; Path=/x",
            "__Host-c=1; Path=/",
            "__Host-d=1; Secure; Path=/; Domain=app1.localhost",
            "__Secure-e=1; Secure; Path=/x",
            "__Secure-f=1",
        ]);
        let names: Vec<_> = jar
            .all()
            .iter()
            .map(|cookie| cookie.name.as_str())
            .collect();
        assert_eq!(names, ["__Host-a", "__Secure-e"]);
        assert_eq!(jar.refused().len(), 4);
    }

    #[test]
    fn a_cookie_goes_to_its_host_on_every_port_and_to_no_other() {
        let jar = received(&["a=1; Secure; Path=/"]);
        let to = |to: &str| jar.header_for(&url(to), NOW, Sending::SameSite);
        assert_eq!(to("http://app1.localhost:1/").as_deref(), Some("a=1"));
        assert_eq!(to("http://app2.localhost:8082/"), None);
        assert_eq!(to("http://localhost:8082/"), None);
    }

    #[test]
    fn rfc6265bis_5_2_same_site() {
        let jar = received(&[
            "s=1; Path=/; SameSite=Strict",
            "l=1; Path=/; SameSite=Lax",
            "n=1; Path=/; SameSite=None; Secure",
            "u=1; Path=/",
        ]);
        let to = url("http://app1.localhost:8082/");
        assert_eq!(
            jar.header_for(&to, NOW, Sending::CrossSiteGet).as_deref(),
            Some("l=1; n=1; u=1")
        );
        assert_eq!(
            jar.header_for(&to, NOW, Sending::CrossSite).as_deref(),
            Some("n=1; u=1")
        );
        let later = NOW + LAX_ALLOWING_UNSAFE;
        assert_eq!(
            jar.header_for(&to, later, Sending::CrossSite).as_deref(),
            Some("n=1")
        );
    }

    #[test]
    fn max_age_wins_over_expires_and_zero_removes() {
        let mut jar = received(&["a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/"]);
        let to = url("http://app1.localhost:8082/");
        assert!(
            jar.header_for(&to, NOW + Duration::from_secs(59), Sending::SameSite)
                .is_some()
        );
        assert!(
            jar.header_for(&to, NOW + Duration::from_secs(60), Sending::SameSite)
                .is_none()
        );
        jar.receive(&to, "a=; Max-Age=0; Path=/", NOW);
        assert!(jar.all().is_empty());
    }

    #[test]
    fn rfc6265_5_1_4_paths() {
        assert!(path_matches("/a/b", "/a"));
        assert!(path_matches("/a", "/a"));
        assert!(!path_matches("/ab", "/a"));
        let mut jar = received(&["deep=1"]);
        jar.receive(&url("http://app1.localhost:8082/a"), "top=1", NOW);
        let paths: Vec<_> = jar
            .all()
            .iter()
            .map(|cookie| cookie.path.as_str())
            .collect();
        assert_eq!(paths, ["/a", "/"]);
    }

    #[test]
    fn secure_needs_https_or_a_loopback_name() {
        let received = |from: &str, line: &str| {
            let mut jar = Jar::default();
            jar.receive(&url(from), line, NOW);
            jar
        };
        let sent = |jar: &Jar, to: &str| jar.header_for(&url(to), NOW, Sending::SameSite);
        for from in [
            "http://x.localhost/",
            "https://x.example/",
            "http://127.0.0.1/",
        ] {
            assert!(
                sent(&received(from, "a=1; Secure"), from).is_some(),
                "{from}"
            );
        }
        let mut jar = received("https://x.example/", "a=1; Secure");
        assert_eq!(sent(&jar, "http://x.example/"), None);
        jar.receive(&url("http://x.example/"), "a=2", NOW);
        assert_eq!(sent(&jar, "https://x.example/").as_deref(), Some("a=1"));
        assert_eq!(
            received("http://x.example/", "a=1; Secure").refused().len(),
            1
        );
    }

    #[test]
    fn rfc6265bis_5_7_refused_cookies_have_a_reason() {
        for line in [
            "__Host-a=1; Path=/",
            "__Host-a=1; Secure; Path=/x",
            "__Host-a=1; Secure",
            "__host-a=1; Secure; Path=/; Domain=app1.localhost",
            "__Secure-a=1; Path=/",
            "a=1; SameSite=None",
            "a=1; Domain=localhost",
            "a=1; Domain=example.com",
            "nothing",
            "=1",
            "a=1\u{7f}",
            &format!("a={}", "x".repeat(4096)),
        ] {
            let jar = received(&[line]);
            assert!(jar.all().is_empty(), "{line}");
            assert_eq!(jar.refused().len(), 1, "{line}");
        }
    }

    #[test]
    fn rfc6265_5_1_3_domain() {
        let mut jar = Jar::default();
        let line = "a=1; Domain=.example.com; Path=/";
        jar.receive(&url("https://app1.example.com/"), line, NOW);
        let to = |to: &str| jar.header_for(&url(to), NOW, Sending::SameSite);
        assert!(to("https://idp.example.com/").is_some() && to("https://example.com/").is_some());
        assert_eq!(to("https://badexample.com/"), None);
        let mut jar = Jar::default();
        jar.receive(&url("https://10.0.0.1/"), "a=1; Domain=0.0.1", NOW);
        assert!(jar.all().is_empty());
    }

    #[test]
    fn the_cookies_of_a_host_are_bounded() {
        let mut jar = Jar::default();
        for n in 0..400 {
            let line = format!("a{n}=1; Path=/");
            jar.receive(&url("http://app1.localhost/"), &line, NOW);
        }
        jar.receive(&url("http://app1.localhost/"), "a0=2; Path=/", NOW);
        assert_eq!((jar.all().len(), jar.refused().len()), (180, 100));
        assert_eq!(jar.get("app1.localhost", "a0").unwrap().value, "2");
    }

    #[test]
    fn another_profile_has_the_cookies_of_one_host() {
        let mut jar = received(&["a=1"]);
        jar.receive(&url("http://idp.localhost/"), "i=1", NOW);
        let names: Vec<_> = jar
            .only("idp.localhost")
            .all()
            .iter()
            .map(|c| c.name.clone())
            .collect();
        assert_eq!(names, ["i"]);
    }

    #[test]
    fn fuzz_cookies_that_servers_set() {
        let seeds = [
            "__Host-a=1; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60",
            "b=2; Domain=.a.example; Expires=Wed, 21 Oct 2099 07:28:00 GMT",
            "c=; Max-Age=-99999999999999999999; Path=x",
        ];
        let url = Url::parse("https://app.a.example/path/x").unwrap();
        fuzz::run_text(&seeds, |line| {
            let Ok(cookie) = read(&url, line, Timestamp::default()) else {
                return;
            };
            assert!(!cookie.name.is_empty() && cookie.name.len() + cookie.value.len() <= 4096);
            assert!(cookie.path.starts_with('/'), "{}", cookie.path);
            assert!(cookie.is_for("app.a.example") && !cookie.is_for("b.example"));
            if cookie.name.to_ascii_lowercase().starts_with("__host-") {
                assert!(cookie.secure && !cookie.and_subdomains && cookie.path == "/");
            }
        });
    }
}
