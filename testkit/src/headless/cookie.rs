//! A cookie: parsing `Set-Cookie`, and whether a browser accepts it
//! (RFC 6265bis §5.7).

use kit::clock::Timestamp;
use url::Url;

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
    /// The host that set it; only this host receives it.
    pub host: String,
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

/// Reads a `Set-Cookie` header; `Err` is the reason for a refusal.
pub(super) fn read(url: &Url, line: &str, now: Timestamp) -> Result<Cookie, &'static str> {
    let mut parts = line.split(';').map(str::trim);
    let (name, value) = parts
        .next()
        .and_then(|pair| pair.split_once('='))
        .ok_or("no name")?;
    let host = url.host_str().ok_or("no host")?;
    let mut cookie = Cookie {
        host: host.to_owned(),
        name: name.to_owned(),
        value: value.to_owned(),
        path: default_path(url),
        secure: false,
        http_only: false,
        same_site: SameSite::Unspecified,
        expires: None,
        created: now,
    };
    let (mut domain, mut max_age) = (None, None);
    for part in parts {
        let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
        match attribute.to_ascii_lowercase().as_str() {
            "secure" => cookie.secure = true,
            "httponly" => cookie.http_only = true,
            "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
            "domain" => domain = Some(value.trim_start_matches('.')),
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
        cookie.expires = Some(Timestamp::from_millis(
            now.millis().saturating_add(seconds.saturating_mul(1000)),
        ));
    }
    if name.len() + value.len() > MAX_COOKIE {
        return Err("longer than 4096 bytes");
    }
    if domain.is_some_and(|domain| domain != host) {
        return Err("Domain is not the host: each *.localhost name is a site of its own");
    }
    if cookie.secure && !is_trustworthy(url) {
        return Err("Secure over a connection that is not");
    }
    if cookie.same_site == SameSite::None && !cookie.secure {
        return Err("SameSite=None without Secure");
    }
    if name.starts_with("__Secure-") && !cookie.secure {
        return Err("__Secure- without Secure");
    }
    if name.starts_with("__Host-") && !(cookie.secure && cookie.path == "/" && domain.is_none()) {
        return Err("__Host- needs Secure, Path=/ and no Domain");
    }
    Ok(cookie)
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

/// https, or a loopback name (Secure Contexts §3.1).
pub(super) fn is_trustworthy(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    url.scheme() == "https"
        || host == "localhost"
        || host.ends_with(".localhost")
        || host == "[::1]"
        || host.starts_with("127.")
}

/// RFC 6265 §5.1.4.
fn default_path(url: &Url) -> String {
    let path = url.path();
    match path.rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(last) => path[..last].to_owned(),
    }
}
