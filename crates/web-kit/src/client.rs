//! Whose request it is. `X-Forwarded-For` counts only from configured proxies.

use std::{
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
    sync::Arc,
};

use actix_web::{HttpRequest, web};
use ipnet::IpNet;

/// Proxies in front of us whose word counts.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&address))
    }

    /// The first address from the right that is no proxy of ours.
    fn client(&self, peer: IpAddr, forwarded_for: &[&str]) -> IpAddr {
        let mut client = peer;
        for hop in forwarded_for.iter().rev().flat_map(|line| line.rsplit(',')) {
            if !self.contains(client) {
                break;
            }
            let Ok(address) = hop.trim().parse() else {
                break;
            };
            client = address;
        }
        client
    }
}

impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = |entry: &str| {
            entry
                .parse::<IpNet>()
                .or_else(|_| entry.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| format!("{entry:?}: an address or a CIDR is expected"))
        };
        let entries = text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        entries
            .map(parse)
            .collect::<Result<Vec<_>, _>>()
            .map(|nets| Self(nets.into()))
    }
}

/// The address that the request came from.
pub fn client_addr(req: &HttpRequest) -> IpAddr {
    let peer = req
        .peer_addr()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let Some(proxies) = req.app_data::<web::Data<TrustedProxies>>() else {
        return peer;
    };
    let lines: Vec<_> = req
        .headers()
        .get_all("x-forwarded-for")
        .filter_map(|line| line.to_str().ok())
        .collect();
    proxies.client(peer, &lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn rfc9700_4_13_a_strangers_forwarding_header_is_nothing() {
        let none = TrustedProxies::default();
        assert_eq!(
            none.client(ip("192.0.2.1"), &["127.0.0.1"]),
            ip("192.0.2.1")
        );
    }

    #[test]
    fn behind_proxies_the_nearest_address_that_is_none_counts() {
        let ours: TrustedProxies = "10.0.0.0/8, ::1".parse().unwrap();
        let lines = ["6.6.6.6, 192.0.2.9", "10.1.1.1"];
        assert_eq!(ours.client(ip("10.0.0.1"), &lines), ip("192.0.2.9"));
        assert_eq!(ours.client(ip("10.0.0.1"), &["nonsense"]), ip("10.0.0.1"));
        assert_eq!(ours.client(ip("::1"), &[]), ip("::1"));
    }

    #[test]
    fn a_bad_list_is_refused() {
        assert!("10.0.0.0/99".parse::<TrustedProxies>().is_err());
        assert!("".parse::<TrustedProxies>().unwrap().0.is_empty());
    }
}
