//! Which client addresses share a limit.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

/// The unit that shares a limit: an IPv4 address, an IPv6 /64 (one subscriber's network, in
/// which each device may have any number of addresses, RFC 4291 §2.5.4), or all clients of
/// unknown address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddrBucket(Option<IpAddr>);

impl AddrBucket {
    /// The bucket of all clients of unknown address.
    pub const UNKNOWN: Self = Self(None);

    /// The bucket of `address`.
    pub fn of(address: IpAddr) -> Self {
        Self(Some(network(address, 64)))
    }
}

impl fmt::Display for AddrBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(IpAddr::V4(address)) => address.fmt(f),
            Some(IpAddr::V6(network)) => write!(f, "{network}/64"),
            None => f.write_str("unknown"),
        }
    }
}

/// The network of an IPv6 address by its first `bits` bits (1 to 128). An IPv4 address is
/// returned unchanged, and an IPv4-mapped IPv6 address as the IPv4 address (RFC 4291
/// §2.5.5.2).
pub fn network(address: IpAddr, bits: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << (128 - bits))).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_and_a_mapped_address_is_ipv4() {
        let bucket = |text: &str| AddrBucket::of(text.parse().unwrap());
        assert_eq!(bucket("2001:db8::1"), bucket("2001:db8::ffff:2"));
        assert_ne!(bucket("2001:db8::1"), bucket("2001:db8:0:1::1"));
        assert_eq!(bucket("::ffff:192.0.2.1"), bucket("192.0.2.1"));
        assert_ne!(bucket("192.0.2.1"), bucket("192.0.2.2"));
    }

    #[test]
    fn a_network_is_the_first_bits_of_an_ipv6_address() {
        let at = |bits| network("2001:db8:1:2::3".parse().unwrap(), bits).to_string();
        assert_eq!(at(48), "2001:db8:1::");
        assert_eq!(at(64), "2001:db8:1:2::");
        assert_eq!(at(128), "2001:db8:1:2::3");
    }
}
