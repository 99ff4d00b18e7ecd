//! The cookies of one browser, a store for each host: each service is a site of
//! its own. Matching and expiry are `cookie_store`'s (RFC 6265 §5); the rules
//! that browsers added since are here (RFC 6265bis §5.7: prefixes, `Secure` on
//! loopback names).

use std::collections::BTreeMap;

use cookie_store::{CookieStore, RawCookie};
use kit::net::is_localhost;
use reqwest::header::HeaderMap;
use url::Url;

/// The most that a browser keeps of one cookie, in bytes.
const MAX_COOKIE: usize = 4096;
/// The most cookies of one host: as many as browsers keep of a site.
const MAX_COOKIES: usize = 180;

/// The cookies, and what was wrong with others.
#[derive(Clone, Default)]
pub(super) struct Jar {
    hosts: BTreeMap<String, CookieStore>,
    /// Why the first one that was refused was, in a sentence.
    refusal: Option<String>,
}

impl Jar {
    /// Takes what an answer from `url` sets.
    pub(super) fn receive(&mut self, url: &Url, headers: &HeaderMap) {
        for line in headers.get_all(reqwest::header::SET_COOKIE) {
            let line = line.to_str().unwrap_or_default();
            if let Err(why) = self.take(url, line) {
                let name = line.split(['=', ';']).next().unwrap_or_default();
                let host = url.host_str().unwrap_or_default();
                self.refusal.get_or_insert_with(|| {
                    format!("a cookie {name:?} of {host} was refused: {why}")
                });
            }
        }
    }

    fn take(&mut self, url: &Url, line: &str) -> Result<(), &'static str> {
        let cookie = RawCookie::parse(line.to_owned()).map_err(|_| "it cannot be read")?;
        let host = url.host_str().ok_or("its sender has no name")?;
        check(&cookie, host)?;
        let store = self.hosts.entry(host.to_owned()).or_default();
        if store.iter_unexpired().count() >= MAX_COOKIES {
            return Err("the host has too many already");
        }
        match store.insert_raw(&cookie.into_owned(), &secure(url)) {
            // It ends one that is not there: nothing to do.
            Ok(_) | Err(cookie_store::CookieError::Expired) => Ok(()),
            Err(_) => Err("it does not fit its sender"),
        }
    }

    /// What a request to `url` carries.
    pub(super) fn header_for(&self, url: &Url) -> Option<String> {
        let store = self.hosts.get(url.host_str()?)?;
        let pairs: Vec<_> = store
            .get_request_values(&secure(url))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// The same browser, in which all sites but `host` were forgotten.
    pub(super) fn only(&self, host: &str) -> Self {
        let kept = self.hosts.get(host).cloned();
        Self {
            hosts: kept
                .map(|store| (host.to_owned(), store))
                .into_iter()
                .collect(),
            refusal: None,
        }
    }

    /// The first refusal, where there was one.
    pub(super) fn first_refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// What is wrong with a cookie of `host`, where one is: each keeps scripts
    /// and other sites away.
    pub(super) fn unsafe_cookie(&self, host: &str) -> Option<String> {
        let store = self.hosts.get(host)?;
        store.iter_unexpired().find_map(|cookie| {
            let name = cookie.name();
            let crossing = cookie
                .same_site()
                .is_none_or(|same_site| same_site.is_none());
            let what = match () {
                () if cookie.http_only() != Some(true) => "is not HttpOnly: scripts can read it",
                () if cookie.secure() != Some(true) => "is not Secure",
                () if crossing => "travels with requests of other sites (SameSite)",
                () if !name.starts_with("__Host-") && !name.starts_with("__Secure-") => {
                    "has neither of the prefixes __Host- and __Secure-"
                }
                () => return None,
            };
            Some(format!("the cookie {name} of {host} {what}"))
        })
    }
}

/// What a browser does not take.
fn check(cookie: &RawCookie<'_>, host: &str) -> Result<(), &'static str> {
    let (name, value) = cookie.name_value();
    let is_secure = cookie.secure() == Some(true);
    if name.len() + value.len() > MAX_COOKIE {
        return Err("it is longer than 4096 bytes");
    }
    // A single label is a public suffix: `localhost` would be everybody's.
    if cookie
        .domain()
        .is_some_and(|domain| domain != host && !domain.contains('.'))
    {
        return Err("its Domain is everybody's");
    }
    let is = |prefix: &str| {
        let start = name.get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    if is("__Secure-") && !is_secure {
        return Err("__Secure- needs Secure");
    }
    if is("__Host-") && !(is_secure && cookie.path() == Some("/") && cookie.domain().is_none()) {
        return Err("__Host- needs Secure, Path=/ and no Domain");
    }
    if cookie
        .same_site()
        .is_some_and(|same_site| same_site.is_none())
        && !is_secure
    {
        return Err("SameSite=None needs Secure");
    }
    Ok(())
}

/// As the store is to see it: names that are loopback by themselves are as good
/// as https (Secure Contexts §3.1), as browsers hold it.
fn secure(url: &Url) -> Url {
    let mut url = url.clone();
    if url.host_str().is_some_and(is_localhost) {
        // From one special scheme to another it always can be.
        let _ = url.set_scheme("https");
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn jar(from: &str, lines: &[&str]) -> Jar {
        let mut jar = Jar::default();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("set-cookie", line.parse().unwrap());
        }
        jar.receive(&url(from), &headers);
        jar
    }

    fn sent(jar: &Jar, to: &str) -> Option<String> {
        jar.header_for(&url(to))
    }

    #[test]
    fn a_cookie_goes_back_to_its_host_and_path_alone() {
        let jar = jar(
            "http://app1.localhost:8082/callback",
            &[
                "__Host-s=1; Path=/; Secure; HttpOnly; SameSite=Lax",
                "__Secure-a=2; Path=/api1; Secure; HttpOnly; SameSite=Lax",
            ],
        );
        let at = |to: &str| sent(&jar, to).unwrap_or_default();
        assert_eq!(at("http://app1.localhost:8082/session"), "__Host-s=1");
        let both = at("http://app1.localhost:8082/api1/data");
        assert!(both.contains("__Host-s=1") && both.contains("__Secure-a=2"));
        assert_eq!(at("http://app1.localhost:9999/"), "__Host-s=1", "no port");
        assert_eq!(at("http://app1.localhost:8082/api12"), "__Host-s=1");
        assert_eq!(at("http://app2.localhost:8083/"), "");
        assert_eq!(at("http://localhost/"), "");
        assert_eq!(jar.first_refusal(), None);
        assert_eq!(jar.unsafe_cookie("app1.localhost"), None);
    }

    #[test]
    fn secure_is_https_or_a_name_that_is_loopback() {
        let line = ["a=1; Secure"];
        assert!(sent(&jar("http://x.localhost/", &line), "http://x.localhost/").is_some());
        assert!(sent(&jar("https://x.example/", &line), "https://x.example/").is_some());
        let plain = jar("https://x.example/", &line);
        assert_eq!(sent(&plain, "http://x.example/"), None);
    }

    #[test]
    fn rfc6265bis_what_a_browser_refuses_is_refused_with_a_reason() {
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
            &format!("a={}", "x".repeat(MAX_COOKIE)),
        ] {
            let jar = jar("http://app1.localhost:1/", &[line]);
            assert_eq!(sent(&jar, "http://app1.localhost:1/"), None, "{line}");
            assert!(jar.first_refusal().is_some(), "{line}");
        }
    }

    #[test]
    fn a_cookie_is_replaced_and_forgotten() {
        let at = "http://a.localhost/";
        let line = "a=1; Path=/; Secure";
        assert_eq!(sent(&jar(at, &[line, "a=2; Path=/"]), at).unwrap(), "a=2");
        let gone = "a=; Path=/; Max-Age=0; Secure";
        assert_eq!(sent(&jar(at, &[line, gone]), at), None);
        assert_eq!(jar(at, &[gone]).first_refusal(), None);
    }

    #[test]
    fn a_cookie_that_scripts_or_other_sites_could_use_is_told() {
        for (line, word) in [
            ("__Host-a=1; Path=/; Secure; SameSite=Lax", "HttpOnly"),
            ("a=1; HttpOnly; SameSite=Lax", "Secure"),
            ("__Host-a=1; Path=/; Secure; HttpOnly", "SameSite"),
            (
                "__Host-a=1; Path=/; Secure; HttpOnly; SameSite=None",
                "SameSite",
            ),
            ("a=1; Secure; HttpOnly; SameSite=Lax", "__Host-"),
        ] {
            let said = jar("http://a.localhost/", &[line]).unsafe_cookie("a.localhost");
            assert!(said.as_ref().unwrap().contains(word), "{line}: {said:?}");
        }
    }

    #[test]
    fn another_profile_keeps_one_site() {
        let mut both = jar("http://idp.localhost/", &["i=1; Secure"]);
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", "a=1; Secure".parse().unwrap());
        both.receive(&url("http://app1.localhost/"), &headers);
        let one = both.only("idp.localhost");
        assert!(sent(&one, "http://idp.localhost/").is_some());
        assert_eq!(sent(&one, "http://app1.localhost/"), None);
    }
}
