//! Which certificate a listener presents.

use std::{io, net::IpAddr, sync::Arc};

use rustls::{
    client::verify_server_name,
    pki_types::ServerName,
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::Authority;
use crate::{certified_key::certified_key, clock::Timestamp};

/// The host name at which a process reaches its own listeners.
const SELF: &str = "localhost";

/// Where the certificates of a process's listeners come from.
#[derive(Clone, Debug)]
pub enum Certificates {
    /// The lab's CA issues one for each site.
    Issued(Authority),
    /// Files of one's own.
    Files {
        /// Their content.
        own: Arc<CertifiedKey>,
        /// A CA that only this process knows and trusts. It issues the certificates for the
        /// process's calls to itself, at `localhost` or at an address: a public
        /// certificate rarely contains these names.
        internal: Authority,
    },
}

impl Certificates {
    /// The CA that this process has to trust to reach itself.
    pub const fn authority(&self) -> &Authority {
        match self {
            Self::Issued(authority) => authority,
            Self::Files { internal, .. } => internal,
        }
    }

    /// The identity of a listener with the public `names`, which listens at `addresses`.
    pub fn identity(
        &self,
        names: &[String],
        addresses: &[IpAddr],
        now: Timestamp,
    ) -> io::Result<Identity> {
        let local = local_names(addresses);
        match self {
            Self::Issued(authority) => {
                let all: Vec<_> = names.iter().chain(&local).cloned().collect();
                Identity::issued(authority, &all, now)
            }
            Self::Files { own, internal } => {
                let local: Vec<_> = local
                    .into_iter()
                    .filter(|name| !covers(own, name))
                    .collect();
                let identity = Identity::new(Arc::clone(own));
                if local.is_empty() {
                    return Ok(identity);
                }
                let issued = Identity::issued(internal, &local, now)?;
                Ok(Identity {
                    local: Some((issued.own, local)),
                    ..identity
                })
            }
        }
    }
}

/// The certificates of a listener: its own one, and one for names of this machine.
#[derive(Clone, Debug)]
pub struct Identity {
    own: Arc<CertifiedKey>,
    local: Option<(Arc<CertifiedKey>, Vec<String>)>,
}

impl Identity {
    /// One certificate for all names.
    pub const fn new(own: Arc<CertifiedKey>) -> Self {
        Self { own, local: None }
    }

    /// A new certificate of `authority` for `names`.
    pub fn issued(authority: &Authority, names: &[String], now: Timestamp) -> io::Result<Self> {
        let issued = authority.server(names, now)?;
        let own = certified_key(vec![issued.certificate], issued.key);
        Ok(Self::new(own.map_err(io::Error::other)?))
    }

    /// The certificate for a client that asks for `name`. A client that connects to an IP
    /// address sends no name (RFC 6066 §3).
    fn for_name(&self, name: Option<&str>) -> &Arc<CertifiedKey> {
        match &self.local {
            Some((local, names)) if is_local(names, name) => local,
            _ => &self.own,
        }
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(self.for_name(hello.server_name())))
    }
}

fn is_local(names: &[String], name: Option<&str>) -> bool {
    let is_address = |name: &String| name.parse::<IpAddr>().is_ok();
    match name {
        Some(name) => names.iter().any(|one| one.eq_ignore_ascii_case(name)),
        None => names.iter().any(is_address),
    }
}

/// The names under which this machine reaches a listener at `addresses`.
fn local_names(addresses: &[IpAddr]) -> Vec<String> {
    let specific = addresses.iter().filter(|ip| !ip.is_unspecified());
    let is_everywhere = addresses.iter().any(IpAddr::is_unspecified);
    let loopback = ["127.0.0.1", "::1"].map(ToOwned::to_owned);
    let mut names = vec![SELF.to_owned()];
    names.extend(specific.map(IpAddr::to_string));
    names.extend(loopback.into_iter().filter(|_| is_everywhere));
    names
}

fn covers(own: &CertifiedKey, name: &str) -> bool {
    let parsed = own.end_entity_cert().and_then(ParsedCertificate::try_from);
    let (Ok(parsed), Ok(name)) = (parsed, ServerName::try_from(name)) else {
        return false;
    };
    verify_server_name(&parsed, &name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::OsRandom;

    fn authority() -> Authority {
        let now = Timestamp::from_secs(1_800_000_000);
        Authority::new(now, &OsRandom).unwrap()
    }

    fn issued(authority: &Authority, names: &[&str]) -> Identity {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let now = Timestamp::from_secs(1_800_000_000);
        Identity::issued(authority, &names, now).unwrap()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_listener_is_known_by_its_public_names_and_its_local_ones() {
        let certificates = Certificates::Issued(authority());
        let loopback = "127.0.0.1".parse().unwrap();
        let now = Timestamp::from_secs(1_800_000_000);
        let identity = certificates.identity(&names(&["idp.example.com", "idp"]), &[loopback], now);
        let own = identity.unwrap().own;
        for name in ["idp.example.com", "idp", "localhost", "127.0.0.1"] {
            assert!(covers(&own, name), "{name}");
        }
        for name in ["example.com", "app1.example.com", "127.0.0.2", "::1"] {
            assert!(!covers(&own, name), "{name}");
        }
    }

    #[test]
    fn a_certificate_of_ones_own_serves_all_names_but_this_machines_own() {
        let (other, internal) = (authority(), authority());
        let own = issued(&other, &["idp.example.com"]).own;
        let certificates = Certificates::Files { own, internal };
        let everywhere = "0.0.0.0".parse().unwrap();
        let now = Timestamp::from_secs(1_800_000_000);
        let identity = certificates.identity(&[], &[everywhere], now).unwrap();
        let presented = |name| Arc::as_ptr(identity.for_name(name));
        let own = Arc::as_ptr(&identity.own);
        for name in ["idp.example.com", "other.example.com", "app1.localhost"] {
            assert_eq!(presented(Some(name)), own, "{name}");
        }
        assert_ne!(presented(Some("localhost")), own);
        assert_ne!(presented(None), own, "an IP address");
        let local = identity.for_name(Some("LOCALHOST"));
        assert!(covers(local, "127.0.0.1") && covers(local, "localhost"));
        assert!(!covers(local, "idp.example.com"));
    }

    #[test]
    fn a_certificate_of_ones_own_that_has_the_local_names_serves_them_too() {
        let own = issued(&authority(), &["idp.example.com", "localhost", "192.0.2.1"]).own;
        let certificates = Certificates::Files {
            own,
            internal: authority(),
        };
        let bound = "192.0.2.1".parse().unwrap();
        let now = Timestamp::from_secs(1_800_000_000);
        let identity = certificates.identity(&[], &[bound], now).unwrap();
        for name in [Some("localhost"), None] {
            assert!(Arc::ptr_eq(identity.for_name(name), &identity.own));
        }
    }
}
