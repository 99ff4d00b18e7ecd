//! A cookie: parsing `Set-Cookie`, and whether a browser accepts it
//! (RFC 6265bis §5.7).

use kit::{clock::Timestamp, net::is_localhost};
use url::{Host, Url};

/// The maximum length of name and value together, in bytes.
const MAX_COOKIE: usize = 4096;

/// `SameSite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Never with a cross-site request.
    Strict,
    /// With cross-site top-level navigations by safe methods.
    Lax,
    /// Always.
    None,
    /// Absent: like `Lax`, except in the first two minutes.
    Unspecified,
}

/// A cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// The host that receives it.
    pub host: String,
    /// The hosts below `host` receive it too (`Domain`).
    pub and_subdomains: bool,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Its path.
    pub path: String,
    /// `Secure`.
    pub secure: bool,
    /// `HttpOnly`.
    pub http_only: bool,
    /// `SameSite`.
    pub same_site: SameSite,
    /// Its expiry; `None` for a session cookie.
    pub expires: Option<Timestamp>,
    pub(super) created: Timestamp,
}

impl Cookie {
    /// A cookie of `host` without attributes.
    pub fn new(host: &str, name: &str, value: &str) -> Self {
        Self {
            host: host.to_owned(),
            and_subdomains: false,
            name: name.to_owned(),
            value: value.to_owned(),
            path: "/".to_owned(),
            secure: false,
            http_only: false,
            same_site: SameSite::Unspecified,
            expires: None,
            created: Timestamp::default(),
        }
    }

    /// Whether a request to `host` may contain it (RFC 6265 §5.1.3).
    pub(super) fn is_for(&self, host: &str) -> bool {
        self.host == host || (self.and_subdomains && is_below(host, &self.host))
    }
}

/// Reads a `Set-Cookie` header; `Err` is the reason for a refusal.
pub(super) fn read(url: &Url, line: &str, now: Timestamp) -> Result<Cookie, &'static str> {
    let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
    let (name, value) = pair.split_once('=').ok_or("it has no name")?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || line.contains(|c: char| c.is_control()) {
        return Err("it cannot be read");
    }
    if name.len() + value.len() > MAX_COOKIE {
        return Err("it is longer than 4096 bytes");
    }
    let host = url.host_str().ok_or("its URL has no host")?;
    let mut cookie = Cookie::new(host, name, value);
    cookie.path = default_path(url);
    cookie.created = now;
    let domain = apply(attributes, &mut cookie, now);
    check(&cookie, domain.as_deref(), url)?;
    if let Some(domain) = domain {
        cookie.host = domain;
        cookie.and_subdomains = true;
    }
    Ok(cookie)
}

/// Applies the attributes to `cookie`, and returns `Domain`.
fn apply(attributes: &str, cookie: &mut Cookie, now: Timestamp) -> Option<String> {
    let (mut domain, mut max_age) = (None, None);
    for attribute in attributes.split(';') {
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "secure" => cookie.secure = true,
            "httponly" => cookie.http_only = true,
            "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
            "domain" => domain = Some(value.trim_start_matches('.').to_ascii_lowercase()),
            "max-age" => max_age = value.parse::<i64>().ok(),
            "expires" => cookie.expires = date(value),
            "samesite" => {
                cookie.same_site = match value.to_ascii_lowercase().as_str() {
                    "strict" => SameSite::Strict,
                    "none" => SameSite::None,
                    "lax" => SameSite::Lax,
                    _ => SameSite::Unspecified,
                }
            }
            _ => {}
        }
    }
    // `Max-Age` takes precedence over `Expires`.
    if let Some(seconds) = max_age {
        let millis = now.millis().saturating_add(seconds.saturating_mul(1000));
        cookie.expires = Some(Timestamp::from_millis(millis));
    }
    domain.filter(|domain| !domain.is_empty())
}

/// Whether a browser accepts it from `url`.
fn check(cookie: &Cookie, domain: Option<&str>, url: &Url) -> Result<(), &'static str> {
    let starts_with = |prefix: &str| {
        let start = cookie.name.get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    // A single label such as `localhost` is a public suffix.
    let is_own = |domain: &str| {
        domain == cookie.host || (domain.contains('.') && is_below(&cookie.host, domain))
    };
    if domain.is_some_and(|domain| !is_own(domain)) {
        return Err("its Domain does not belong to its host");
    }
    if cookie.secure && !is_trustworthy(url) {
        return Err("it is Secure, and its connection is not");
    }
    if cookie.same_site == SameSite::None && !cookie.secure {
        return Err("SameSite=None needs Secure");
    }
    if starts_with("__Secure-") && !cookie.secure {
        return Err("__Secure- needs Secure");
    }
    if starts_with("__Host-") && !(cookie.secure && cookie.path == "/" && domain.is_none()) {
        return Err("__Host- needs Secure, Path=/ and no Domain");
    }
    Ok(())
}

/// Whether the name `host` is below the name `domain`.
fn is_below(host: &str, domain: &str) -> bool {
    let above = host.strip_suffix(domain);
    above.is_some_and(|above| above.ends_with('.'))
        && matches!(Host::parse(host), Ok(Host::Domain(_)))
}

fn date(text: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(text).ok()?;
    let since = time
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis())
        .ok()
        .map(Timestamp::from_millis)
}

/// https, or a loopback name or address (Secure Contexts §3.1).
pub(super) fn is_trustworthy(url: &Url) -> bool {
    url.scheme() == "https"
        || match url.host() {
            Some(Host::Domain(name)) => is_localhost(name),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
}

/// RFC 6265 §5.1.4.
fn default_path(url: &Url) -> String {
    let path = url.path();
    match path.rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(last) => path[..last].to_owned(),
    }
}
