//! Connects to a service at another address than its public one. The `Host` header
//! keeps the public name; only the connection goes elsewhere.

use std::{collections::BTreeMap, str::FromStr};

use reqwest::{Method, RequestBuilder, header::HOST};
use url::Url;

/// Addresses to connect to, by public host and port: parsed from
/// `host:port=host:port,…`. Plain http is used, unless the second address is written
/// `https://host:port`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressOverrides(BTreeMap<(String, u16), Url>);

impl AddressOverrides {
    /// Adds `public`, reached at `inside`, if `public` is not mapped yet. Scheme, host
    /// and port of each URL count. A text that is no URL changes nothing.
    pub fn or_insert(mut self, public: &str, inside: &str) -> Self {
        let (public, inside) = (Url::parse(public).ok(), Url::parse(inside).ok());
        if let (Some(name), Some(inside)) = (public.as_ref().and_then(name_of), inside) {
            self.0.entry(name).or_insert(inside);
        }
        self
    }

    /// A request for `url`, sent to the address that `url` is mapped to.
    pub fn request(&self, http: &reqwest::Client, method: Method, url: &Url) -> RequestBuilder {
        let Some(inside) = name_of(url).and_then(|name| self.0.get(&name)) else {
            return http.request(method, url.clone());
        };
        let mut at = inside.clone();
        at.set_path(url.path());
        at.set_query(url.query());
        http.request(method, at).header(HOST, url.authority())
    }
}

fn name_of(url: &Url) -> Option<(String, u16)> {
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}

/// `host:port`, the port written out, nothing behind it.
fn address(text: &str, scheme: &str) -> Option<Url> {
    let url: Url = format!("{scheme}://{text}").parse().ok()?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let plain = url.username().is_empty() && url.password().is_none() && !text.ends_with('/');
    // A port that is the scheme's own is not kept by `Url`.
    let digits = text.rsplit_once(':')?.1;
    let has_port = digits.parse() == Ok(url.port_or_known_default()?);
    (bare && plain && has_port).then_some(url)
}

impl FromStr for AddressOverrides {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut map = BTreeMap::new();
        let entries = text.split(',').map(str::trim);
        for entry in entries.filter(|entry| !entry.is_empty()) {
            let what = || format!("{entry:?}: host:port=host:port is expected");
            let (public, inside) = entry.split_once('=').ok_or_else(what)?;
            let public = address(public.trim(), "http").ok_or_else(what)?;
            let inside = inside.trim();
            let inside = match inside.strip_prefix("https://") {
                Some(rest) => address(rest, "https"),
                None => address(inside.strip_prefix("http://").unwrap_or(inside), "http"),
            };
            let name = name_of(&public).ok_or_else(what)?;
            if map.insert(name, inside.ok_or_else(what)?).is_some() {
                return Err(format!("{entry:?}: this name occurs twice"));
            }
        }
        Ok(Self(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(overrides: &AddressOverrides, url: &str) -> (String, Option<String>) {
        let http = crate::net::http_client();
        let request = overrides.request(&http, Method::GET, &url.parse().unwrap());
        let request = request.build().unwrap();
        let host = request.headers().get(HOST);
        let host = host.map(|value| value.to_str().unwrap().to_owned());
        (request.url().to_string(), host)
    }

    #[test]
    fn only_the_connection_goes_elsewhere() {
        let overrides: AddressOverrides =
            "app1.localhost:8082=app1-bff:80, app2.example.com:443=https://b:8443"
                .parse()
                .unwrap();
        assert_eq!(
            sent(&overrides, "http://app1.localhost:8082/logout?x=1"),
            (
                "http://app1-bff/logout?x=1".into(),
                Some("app1.localhost:8082".into())
            )
        );
        assert_eq!(
            sent(&overrides, "https://app2.example.com/x"),
            ("https://b:8443/x".into(), Some("app2.example.com".into()))
        );
        let other = "http://app1.localhost:8083/";
        assert_eq!(sent(&overrides, other), (other.into(), None));
    }

    #[test]
    fn what_was_written_wins_over_what_is_added() {
        let overrides: AddressOverrides = "a.localhost:1=b:2".parse().unwrap();
        let overrides = overrides
            .or_insert("http://a.localhost:1", "http://c:3")
            .or_insert("https://d.example", "http://127.0.0.1:4")
            .or_insert("nonsense", "http://c:3");
        assert_eq!(sent(&overrides, "http://a.localhost:1/x").0, "http://b:2/x");
        assert_eq!(
            sent(&overrides, "https://d.example/x").0,
            "http://127.0.0.1:4/x"
        );
    }

    #[test]
    fn nothing_else_is_taken() {
        assert_eq!("".parse(), Ok(AddressOverrides::default()));
        for wrong in [
            "a",
            "a:1",
            "a:1=",
            "a=b",
            "a:1=b",
            "=b:1",
            "a:1=b:1/x",
            "a:1=b:0x",
            "a:1=u@b:1",
            "a:1=b:1,a:1=c:1",
            "a:1=ftp://b:1",
            "a:99999=b:1",
        ] {
            assert!(wrong.parse::<AddressOverrides>().is_err(), "{wrong}");
        }
    }
}
