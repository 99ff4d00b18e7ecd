//! The client and its redirect URI. An error here is shown as a page: nothing is
//! sent to an address that the client has not registered (RFC 6749 §4.1.2.1).

use oauth_types::Params;

use crate::{
    page_error::PageError,
    settings::{Client, GrantType, Settings},
};

pub(super) fn find_client<'s>(
    settings: &'s Settings,
    params: &Params,
) -> Result<&'s Client, PageError> {
    let id = params.one("client_id")?;
    let id = id.ok_or_else(|| PageError::request("client_id is missing."))?;
    settings
        .client(id)
        .filter(|client| client.may(GrantType::AuthorizationCode))
        .ok_or_else(PageError::unknown_client)
}

/// RFC 9700 §2.1: one of the client's registered URIs; see [`is_registered`].
pub fn find_redirect_uri<'p>(client: &Client, params: &'p Params) -> Result<&'p str, &'static str> {
    let given = params
        .one("redirect_uri")
        .map_err(|_| "redirect_uri is included more than once.")?;
    let given = given.ok_or("redirect_uri is missing (OIDC Core section 3.1.2.1).")?;
    if is_registered(client, given) {
        Ok(given)
    } else {
        Err("redirect_uri is not registered for the client. Registered URIs are compared exactly.")
    }
}

/// Whether `uri` is registered for `client`, compared as a string. A native app
/// listens on any free port: for a public client, the port of a loopback IP address
/// is ignored (RFC 8252 §7.3). The port of a host name counts (§8.3).
pub fn is_registered(client: &Client, uri: &str) -> bool {
    let own = &client.redirect_uris;
    if own.iter().any(|own| own == uri) {
        return true;
    }
    let Some(given) = loopback(uri).filter(|_| client.is_public()) else {
        return false;
    };
    own.iter().any(|own| loopback(own) == Some(given))
}

/// The host and the path of a redirect URI on a loopback IP address, without the
/// port.
fn loopback(uri: &str) -> Option<(&'static str, &str)> {
    const HOSTS: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];
    let host = HOSTS.into_iter().find(|host| uri.starts_with(host))?;
    let rest = &uri[host.len()..];
    let Some(after) = rest.strip_prefix(':') else {
        return ends_authority(rest).then_some((host, rest));
    };
    let end = after.find(|c: char| !c.is_ascii_digit());
    let (port, rest) = after.split_at(end.unwrap_or(after.len()));
    let is_port = !port.starts_with('0') && port.parse::<u16>().is_ok();
    (is_port && ends_authority(rest)).then_some((host, rest))
}

fn ends_authority(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['/', '?'])
}

#[cfg(test)]
mod tests {
    use kit::config::Addresses;

    use super::*;
    use crate::settings::DEFAULT;

    const OWN: &str = r#""http://127.0.0.1/callback", "http://[::1]:7000/callback?x=1", "http://localhost/callback""#;

    fn is_taken(client_id: &str, uri: &str) -> bool {
        let text = DEFAULT
            .replace("\"${spa}/callback\"", OWN)
            .replace("\"http://127.0.0.1:9999/callback\"", OWN);
        let settings = Settings::parse("test", &text, &Addresses::default(), None).unwrap();
        is_registered(settings.client(client_id).unwrap(), uri)
    }

    #[test]
    fn rfc8252_7_3_a_public_clients_loopback_address_has_any_port() {
        for uri in [
            "http://127.0.0.1/callback",
            "http://127.0.0.1:1/callback",
            "http://127.0.0.1:65535/callback",
            "http://[::1]/callback?x=1",
            "http://[::1]:51004/callback?x=1",
            "http://localhost/callback",
        ] {
            assert!(is_taken("my_spa", uri), "{uri}");
        }
    }

    #[test]
    fn rfc8252_7_3_everything_but_the_port_is_compared_exactly() {
        for uri in [
            "http://127.0.0.1:51004/callback/",
            "http://127.0.0.1:51004/callback?x=1",
            "http://127.0.0.1:51004/Callback",
            "http://127.0.0.1:51004",
            "http://127.0.0.1:/callback",
            "http://127.0.0.1:0/callback",
            "http://127.0.0.1:080/callback",
            "http://127.0.0.1:65536/callback",
            "http://127.0.0.1:+80/callback",
            "http://127.0.0.1:80:80/callback",
            "http://127.0.0.1:80@evil.example/callback",
            "http://127.0.0.1.evil.example/callback",
            "http://127.0.0.1@evil.example/callback",
            "http://user@127.0.0.1:80/callback",
            "http://127.0.0.2:51004/callback",
            "http://127.1:51004/callback",
            "http://[0:0:0:0:0:0:0:1]:51004/callback?x=1",
            "http://[::1]:51004/callback",
            "https://127.0.0.1:51004/callback",
            "HTTP://127.0.0.1:51004/callback",
            // RFC 8252 §8.3: a name may lead elsewhere.
            "http://localhost:51004/callback",
        ] {
            assert!(!is_taken("my_spa", uri), "{uri}");
        }
    }

    #[test]
    fn rfc8252_7_3_a_confidential_clients_port_counts() {
        assert!(is_taken("demo_rp", "http://127.0.0.1/callback"));
        assert!(!is_taken("demo_rp", "http://127.0.0.1:51004/callback"));
    }

    /// Where a browser would go (WHATWG URL): to a registered address, but for the port of a
    /// public client's loopback address.
    #[test]
    fn fuzz_redirect_uris() {
        let text = DEFAULT.replace("\"${spa}/callback\"", OWN);
        let settings = Settings::parse("test", &text, &Addresses::default(), None).unwrap();
        let client = settings.client("my_spa").unwrap();
        let place = |uri: &str| {
            let url = url::Url::parse(uri).unwrap();
            let host = url.host_str().map(str::to_owned);
            let rest = url[url::Position::BeforePath..].to_owned();
            (
                url.scheme().to_owned(),
                host,
                rest,
                url.has_authority() && url.username().is_empty(),
            )
        };
        let registered: Vec<_> = client.redirect_uris.iter().map(|uri| place(uri)).collect();
        let mut seeds: Vec<_> = client.redirect_uris.iter().map(String::as_str).collect();
        seeds.extend([
            "http://127.0.0.1:51004/callback",
            "http://[::1]:1/callback?x=1",
        ]);
        fuzz::run_text(&seeds, |uri| {
            if is_registered(client, uri) {
                assert!(registered.contains(&place(uri)), "{uri}");
            }
        });
    }
}
