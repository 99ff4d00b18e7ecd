//! The address that a request came from, in one canonical form. A forwarding
//! header counts only from configured proxies.

mod forwarded;
mod proxies;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use actix_web::{HttpRequest, web};
pub use kit::net::AddrBucket;
pub use proxies::TrustedProxies;

/// A client's address, as throttles, logs and audit use it. An IPv4 address that
/// came as an IPv4-mapped IPv6 one is the IPv4 address (RFC 4291 §2.5.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientAddr(Option<IpAddr>);

impl ClientAddr {
    /// The proxy's header cannot be read, or there is no network connection.
    pub const UNKNOWN: Self = Self(None);

    /// The bucket of limits for requests from here.
    pub fn bucket(self) -> AddrBucket {
        self.0.map_or(AddrBucket::UNKNOWN, AddrBucket::of)
    }

    /// The address, if it is known.
    pub const fn ip(self) -> Option<IpAddr> {
        self.0
    }
}

impl From<IpAddr> for ClientAddr {
    fn from(address: IpAddr) -> Self {
        Self(Some(address.to_canonical()))
    }
}

impl From<SocketAddr> for ClientAddr {
    fn from(peer: SocketAddr) -> Self {
        peer.ip().into()
    }
}

impl fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}

/// The address that the request came from.
pub fn client_addr(req: &HttpRequest) -> ClientAddr {
    let Some(peer) = req.peer_addr() else {
        return ClientAddr::UNKNOWN;
    };
    match req.app_data::<web::Data<TrustedProxies>>() {
        Some(proxies) => proxies.client(peer.into(), req.headers()),
        None => peer.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(address: &str) -> String {
        let address: IpAddr = address.parse().unwrap();
        ClientAddr::from(address).bucket().to_string()
    }

    #[test]
    fn rfc4291_2_5_5_2_an_ipv4_mapped_address_is_the_ipv4_address() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:443".parse().unwrap();
        assert_eq!(ClientAddr::from(mapped).to_string(), "192.0.2.1");
        assert_eq!(bucket("::ffff:192.0.2.1"), bucket("192.0.2.1"));
    }

    #[test]
    fn ipv6_counts_by_its_slash_64_and_ipv4_by_the_address() {
        assert_eq!(bucket("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(bucket("2001:db8:1:2::1"), bucket("2001:db8:1:2:ffff::"));
        assert_ne!(bucket("2001:db8:1:2::1"), bucket("2001:db8:1:3::1"));
        assert_ne!(bucket("192.0.2.1"), bucket("192.0.2.2"));
    }

    #[test]
    fn an_unknown_address_has_a_bucket_of_its_own() {
        let unknown = ClientAddr::UNKNOWN;
        assert_eq!(unknown.bucket().to_string(), "unknown");
        assert_ne!(unknown.bucket().to_string(), bucket("0.0.0.0"));
    }
}
