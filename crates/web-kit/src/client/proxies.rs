//! The trusted proxies.

use std::{
    net::IpAddr,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use actix_web::http::header::HeaderMap;
use ipnet::{IpNet, Ipv4Net};
use kit::config::{Common, Problems};

use super::{ClientAddr, forwarded::ForwardingHeader};

/// The trusted proxies, and the header that they write.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    nets: Vec<IpNet>,
    header: ForwardingHeader,
    /// Whether an unreadable entry was logged already.
    has_logged: AtomicBool,
}

impl TrustedProxies {
    /// From the common settings.
    pub fn read(common: &Common, problems: &mut Problems) -> Option<Self> {
        let nets: Option<Nets> = problems.parse("TRUSTED_PROXIES", &common.trusted_proxies);
        let header = problems.parse("FORWARDING_HEADER", &common.forwarding_header);
        Some(Self::new(nets?, header?))
    }

    fn new(nets: Nets, header: ForwardingHeader) -> Self {
        Self(Arc::new(Inner {
            nets: nets.0,
            header,
            has_logged: AtomicBool::new(false),
        }))
    }

    /// Whether the network peer at `address` is a trusted proxy.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.contains(address.to_canonical())
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.nets.iter().any(|net| net.contains(&address))
    }

    /// The first address from the right that is not a trusted proxy. An unreadable entry of a
    /// trusted proxy is an unknown address, and never the proxy's own.
    pub(super) fn client(&self, peer: ClientAddr, headers: &HeaderMap) -> ClientAddr {
        let is_proxy = |client: ClientAddr| client.ip().is_some_and(|ip| self.contains(ip));
        let mut client = peer;
        if !is_proxy(client) {
            return client;
        }
        for hop in self.0.header.hops(headers) {
            let Some(address) = hop.address() else {
                if !self.0.has_logged.swap(true, Ordering::Relaxed) {
                    let (proxy, entry) = (client, hop.shown());
                    tracing::warn!(
                        %proxy,
                        entry,
                        "a trusted proxy names a client that is no address; all such clients \
                         share one limit (logged once)"
                    );
                }
                return ClientAddr::UNKNOWN;
            };
            client = address.into();
            if !is_proxy(client) {
                break;
            }
        }
        client
    }
}

impl FromStr for TrustedProxies {
    type Err = String;

    /// The proxies in a comma-separated list, writing `X-Forwarded-For`.
    fn from_str(text: &str) -> Result<Self, String> {
        let nets = text.parse()?;
        Ok(Self::new(nets, ForwardingHeader::default()))
    }
}

struct Nets(Vec<IpNet>);

impl FromStr for Nets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = |entry: &str| {
            entry
                .parse::<IpNet>()
                .or_else(|_| entry.parse::<IpAddr>().map(IpNet::from))
                .map(canonical)
                .map_err(|_| format!("{entry} is neither an address nor a CIDR"))
        };
        let entries = text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        entries.map(parse).collect::<Result<_, _>>().map(Self)
    }
}

/// `net`, as the IPv4 network that it maps where it does.
fn canonical(net: IpNet) -> IpNet {
    const MAPPED: u8 = 96;
    let v4 = match net {
        IpNet::V6(v6) => v6.network().to_ipv4_mapped(),
        IpNet::V4(_) => None,
    };
    let prefix = net.prefix_len().checked_sub(MAPPED);
    let mapped = v4
        .zip(prefix)
        .and_then(|(v4, prefix)| Ipv4Net::new(v4, prefix).ok());
    mapped.map_or(net, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn addr(text: &str) -> ClientAddr {
        text.parse::<IpAddr>().unwrap().into()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let value = HeaderValue::from_str(value).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        headers
    }

    fn client(proxies: &TrustedProxies, peer: &str, lines: &[&str]) -> ClientAddr {
        let lines: Vec<_> = lines
            .iter()
            .map(|line| ("x-forwarded-for", *line))
            .collect();
        proxies.client(addr(peer), &headers(&lines))
    }

    #[test]
    fn rfc9700_4_13_a_strangers_forwarding_header_is_nothing() {
        let none = TrustedProxies::default();
        assert_eq!(
            client(&none, "192.0.2.1", &["127.0.0.1"]),
            addr("192.0.2.1")
        );
        assert_eq!(client(&none, "192.0.2.1", &["unknown"]), addr("192.0.2.1"));
    }

    #[test]
    fn behind_proxies_the_nearest_address_that_is_none_counts() {
        let ours: TrustedProxies = "10.0.0.0/8, ::1".parse().unwrap();
        let lines = ["6.6.6.6, 192.0.2.9:1234", "10.1.1.1"];
        assert_eq!(client(&ours, "10.0.0.1", &lines), addr("192.0.2.9"));
        assert_eq!(client(&ours, "::1", &[]), addr("::1"));
        assert_eq!(client(&ours, "10.0.0.1", &["10.0.0.2"]), addr("10.0.0.2"));
    }

    #[test]
    fn an_unreadable_entry_is_not_the_proxy() {
        let ours: TrustedProxies = "10.0.0.0/8".parse().unwrap();
        for lines in [
            &["nonsense"][..],
            &["192.0.2.1, _hidden"],
            &["unknown, 10.0.0.2"],
            &[""],
        ] {
            assert_eq!(
                client(&ours, "10.0.0.1", lines),
                ClientAddr::UNKNOWN,
                "{lines:?}"
            );
        }
        let beyond = client(&ours, "10.0.0.1", &["unknown, 192.0.2.1"]);
        assert_eq!(
            beyond,
            addr("192.0.2.1"),
            "what a stranger wrote does not count"
        );
    }

    #[test]
    fn an_ipv4_proxy_is_trusted_whatever_form_it_comes_or_is_listed_in() {
        for list in ["10.0.0.0/8", "::ffff:10.0.0.0/104", "::ffff:10.0.0.1"] {
            let ours: TrustedProxies = list.parse().unwrap();
            for peer in ["10.0.0.1", "::ffff:10.0.0.1"] {
                let found = client(&ours, peer, &["::ffff:192.0.2.9"]);
                assert_eq!(found, addr("192.0.2.9"), "{list} {peer}");
            }
            assert_eq!(client(&ours, "11.0.0.1", &["192.0.2.9"]), addr("11.0.0.1"));
        }
    }

    #[test]
    fn one_header_counts_and_the_other_is_ignored() {
        let both = headers(&[
            ("x-forwarded-for", "192.0.2.1"),
            ("forwarded", "for=\"[2001:db8::1]:4711\""),
        ]);
        for (header, expected) in [
            ("x-forwarded-for", "192.0.2.1"),
            ("Forwarded", "2001:db8::1"),
        ] {
            let nets = "10.0.0.1".parse().unwrap();
            let ours = TrustedProxies::new(nets, header.parse().unwrap());
            assert_eq!(ours.client(addr("10.0.0.1"), &both), addr(expected));
        }
        assert!("X-Real-IP".parse::<ForwardingHeader>().is_err());
    }

    #[test]
    fn a_bad_list_is_refused() {
        assert!("10.0.0.0/99".parse::<TrustedProxies>().is_err());
        assert!("".parse::<TrustedProxies>().unwrap().0.nets.is_empty());
    }
}
