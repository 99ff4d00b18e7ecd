//! Whose share something is taken from.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

/// A client address as far as room is shared out by it: an IPv4 address, or the
/// /64 of an IPv6 one (who has one address of it has them all).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Share(Option<IpAddr>);

impl Share {
    /// The share of `address`; one that is mapped into IPv6 has its IPv4 address's.
    pub fn of(address: IpAddr) -> Self {
        Self(Some(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            IpAddr::V4(address) => address.into(),
        }))
    }

    /// The share of all whose address is not known.
    pub const fn of_unknown() -> Self {
        Self(None)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(IpAddr::V6(network)) => write!(f, "{network}/64"),
            Some(address) => address.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_and_a_mapped_address_is_ipv4() {
        let share = |text: &str| Share::of(text.parse().unwrap());
        assert_eq!(share("2001:db8::1"), share("2001:db8::ffff:2"));
        assert_ne!(share("2001:db8::1"), share("2001:db8:0:1::1"));
        assert_eq!(share("::ffff:192.0.2.1"), share("192.0.2.1"));
        assert_ne!(share("192.0.2.1"), share("192.0.2.2"));
    }
}
