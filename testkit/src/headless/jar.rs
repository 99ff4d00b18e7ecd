//! Cookies as Chromium keeps them: by host (never by port), with the rules of
//! RFC 6265bis for prefixes, `Secure`, `SameSite`, path and expiry. What it
//! refuses is recorded with the reason.

use std::time::Duration;

use kit::clock::Timestamp;
use url::Url;

use super::cookie::{Cookie, SameSite, is_trustworthy, read};

/// For this long Chromium sends a cookie without `SameSite` on a cross-site POST.
const LAX_ALLOWING_UNSAFE: Duration = Duration::from_secs(120);

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

    /// Deletes a host's cookie.
    pub(super) fn remove(&mut self, host: &str, name: &str) {
        self.cookies
            .retain(|cookie| cookie.host != host || cookie.name != name);
    }

    /// Changes the value of a host's cookie.
    pub(super) fn set(&mut self, host: &str, name: &str, value: &str) {
        let cookie = self
            .cookies
            .iter_mut()
            .find(|cookie| cookie.host == host && cookie.name == name);
        value.clone_into(
            &mut cookie
                .unwrap_or_else(|| panic!("{host} has no cookie {name}"))
                .value,
        );
    }

    /// The `Cookie` header of a request (RFC 6265 §5.4). `cross_site` says
    /// whether another site initiated it, `safe_top_level` whether it is a
    /// navigation by a safe method.
    pub(super) fn header_for(
        &self,
        url: &Url,
        now: Timestamp,
        cross_site: bool,
        safe_top_level: bool,
    ) -> Option<String> {
        let host = url.host_str().unwrap_or_default();
        let may_go = |cookie: &&Cookie| {
            let young = cookie.created.until(now) < LAX_ALLOWING_UNSAFE;
            let site = match cookie.same_site {
                _ if !cross_site => true,
                SameSite::Strict => false,
                SameSite::Lax => safe_top_level,
                SameSite::Unspecified => safe_top_level || young,
                SameSite::None => true,
            };
            site && cookie.expires.is_none_or(|expires| now < expires)
                && (!cookie.secure || is_trustworthy(url))
                && path_matches(url.path(), &cookie.path)
        };
        let mut matching: Vec<_> = self.of(host).filter(may_go).collect();
        matching.sort_by_key(|cookie| (std::cmp::Reverse(cookie.path.len()), cookie.created));
        let pairs: Vec<_> = matching
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Stores a `Set-Cookie` (RFC 6265bis §5.7).
    pub(super) fn receive(&mut self, url: &Url, line: &str, now: Timestamp) {
        match read(url, line, now) {
            Ok(cookie) => {
                let same = |old: &Cookie| {
                    (&old.host, &old.name, &old.path) == (&cookie.host, &cookie.name, &cookie.path)
                };
                self.cookies.retain(|old| !same(old));
                if cookie.expires.is_none_or(|expires| now < expires) {
                    self.cookies.push(cookie);
                }
            }
            Err(why) => {
                let name = line.split('=').next().unwrap_or_default();
                self.refused.push(format!(
                    "{name} of {}: {why}",
                    url.host_str().unwrap_or_default()
                ));
            }
        }
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
        let to = |to: &str| jar.header_for(&url(to), NOW, false, true);
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
            jar.header_for(&to, NOW, true, true).as_deref(),
            Some("l=1; n=1; u=1")
        );
        assert_eq!(
            jar.header_for(&to, NOW, true, false).as_deref(),
            Some("n=1; u=1")
        );
        let later = NOW + LAX_ALLOWING_UNSAFE;
        assert_eq!(
            jar.header_for(&to, later, true, false).as_deref(),
            Some("n=1")
        );
    }

    #[test]
    fn max_age_wins_over_expires_and_zero_removes() {
        let mut jar = received(&["a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/"]);
        let to = url("http://app1.localhost:8082/");
        assert!(
            jar.header_for(&to, NOW + Duration::from_secs(59), false, true)
                .is_some()
        );
        assert!(
            jar.header_for(&to, NOW + Duration::from_secs(60), false, true)
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
}
