//! The sockets that a service listens on.

use std::{io, net::TcpListener, ops::Deref};

use crate::{
    clock::{Clock as _, SystemClock},
    config::{Common, Problems, Site, TlsSettings},
    tls::{Acceptor, ClientCertificates, Protocol},
};

/// A service's sockets, bound before any service starts, so that a taken port is reported
/// at once. Each port is bound at every address of `BIND`.
#[derive(Debug)]
pub struct Listeners {
    /// HTTP.
    pub http: Sockets,
    /// gRPC; empty if the service has none.
    pub grpc: Sockets,
    /// HTTP with a certificate of the client (mTLS); empty if the service has none.
    pub mtls: Sockets,
    /// Only `/metrics`; empty if the HTTP port serves it.
    pub metrics: Sockets,
}

/// The sockets of one port: one for each address, and their TLS.
#[derive(Debug, Default)]
pub struct Sockets {
    /// The sockets.
    pub bound: Vec<TcpListener>,
    /// Makes the handshakes; without it, the port speaks plain text.
    pub tls: Option<Acceptor>,
    /// Whether responses tell browsers to use nothing but https for their host
    /// (`Strict-Transport-Security`, RFC 6797).
    pub is_https_only: bool,
}

impl Deref for Sockets {
    type Target = [TcpListener];

    fn deref(&self) -> &[TcpListener] {
        &self.bound
    }
}

impl From<Vec<TcpListener>> for Sockets {
    /// Without TLS.
    fn from(bound: Vec<TcpListener>) -> Self {
        Self {
            bound,
            ..Self::default()
        }
    }
}

impl Listeners {
    /// Binds the ports of all sites that this process serves. Errors are added to
    /// `problems`. All ports are tried, so that the errors name every taken one.
    pub fn bind<const N: usize>(
        common: &Common,
        sites: [Site; N],
        problems: &mut Problems,
    ) -> [Option<Self>; N] {
        let first = sites.first().copied();
        sites.map(|site| {
            // The metrics port is the first site's; the others keep their distance from it.
            let distance = first.map_or(0, |first| site.distance(first));
            Self::of_site(common, site, distance, problems)
        })
    }

    fn of_site(
        common: &Common,
        site: Site,
        distance: u16,
        problems: &mut Problems,
    ) -> Option<Self> {
        if !common.usable {
            return None;
        }
        let tls = match common
            .tls
            .as_ref()
            .map(|tls| Tls::of_site(tls, common, site))
        {
            Some(Err(error)) => {
                problems.add("TLS", error);
                return None;
            }
            Some(Ok(tls)) => Some(tls),
            None => None,
        };
        let mut bind = |port: u16, what: &str, protocol: Protocol| {
            let port = port.saturating_add(common.listen.offset);
            let bound = common.listen.addresses.iter().map(|ip| {
                let address = std::net::SocketAddr::new(*ip, port);
                let bound = TcpListener::bind(address);
                let name = format_args!("{address} ({}{what})", site.label()).to_string();
                bound.map_err(|e| problems.add(name, why(&e))).ok()
            });
            // All addresses are tried, so that the errors name every taken one.
            let bound: Vec<_> = bound.collect();
            bound
                .into_iter()
                .collect::<Option<Vec<_>>>()
                .map(|bound| Sockets {
                    bound,
                    tls: tls.as_ref().map(|tls| tls.acceptor(protocol)),
                    is_https_only: tls.is_some() && common.addresses.is_https_only(),
                })
        };
        let http = bind(common.addresses.port(site), "", Protocol::Http);
        let grpc = common.addresses.grpc_port(site);
        let none = || Some(Sockets::default());
        let grpc = grpc.map_or_else(none, |port| bind(port, " gRPC", Protocol::Grpc));
        let metrics = common.listen.metrics_port.map_or_else(none, |port| {
            let port = port.saturating_add(distance);
            bind(port, " metrics", Protocol::Http)
        });
        let mtls = common.addresses.mtls_port(site);
        let mtls = mtls.filter(|_| common.mtls.is_some());
        let mtls = mtls.map_or_else(none, |port| bind(port, " mTLS", Protocol::Http));
        let bound = Self {
            http: http?,
            grpc: grpc?,
            mtls: Sockets::default(),
            metrics: metrics?,
        };
        bound.with_mtls(mtls?.bound, common, site, problems)
    }

    /// The same sockets, and those of the mTLS port of `site`. Errors are added to
    /// `problems`.
    pub fn with_mtls(
        self,
        bound: Vec<TcpListener>,
        common: &Common,
        site: Site,
        problems: &mut Problems,
    ) -> Option<Self> {
        let Some(mtls) = common.mtls.as_ref().filter(|_| !bound.is_empty()) else {
            return Some(self);
        };
        let host = common.addresses.host(site);
        let tls = mtls.acceptor(host, &common.listen.addresses, &common.state_dir);
        let tls = tls.map_err(|error| problems.add("MTLS", error)).ok()?;
        let mtls = Sockets {
            bound,
            tls: Some(tls),
            ..Sockets::default()
        };
        Some(Self { mtls, ..self })
    }

    /// Free ports of loopback, for tests.
    pub fn free(grpc: bool) -> io::Result<Self> {
        let any = || TcpListener::bind(("127.0.0.1", 0));
        Ok(Self {
            http: vec![any()?].into(),
            grpc: Vec::from_iter(grpc.then(any).transpose()?).into(),
            mtls: Sockets::default(),
            metrics: Sockets::default(),
        })
    }
}

/// The TLS of a site's ports.
struct Tls {
    http: Acceptor,
    grpc: Acceptor,
}

impl Tls {
    /// One certificate for the public names of `site` and for this machine's own.
    fn of_site(tls: &TlsSettings, common: &Common, site: Site) -> io::Result<Self> {
        let mut names = vec![common.addresses.host(site)];
        names.extend(tls.names.iter().cloned());
        let at = &common.listen.addresses;
        // Clients check a certificate's dates by their system's clock.
        let identity = tls.certificates.identity(&names, at, SystemClock.now())?;
        let acceptor = |protocol| {
            let accepted = Acceptor::new(identity.clone(), protocol, ClientCertificates::Ignored);
            accepted.map_err(io::Error::other)
        };
        Ok(Self {
            http: acceptor(Protocol::Http)?,
            grpc: acceptor(Protocol::Grpc)?,
        })
    }

    fn acceptor(&self, protocol: Protocol) -> Acceptor {
        match protocol {
            Protocol::Http => self.http.clone(),
            Protocol::Grpc => self.grpc.clone(),
        }
    }
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "already taken; stop the program that listens there, or move every port with --port-offset N"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::{
        config::{Addresses, Listen},
        random::OsRandom,
        tls::{Authority, Certificates},
    };

    const LOOPBACK: [IpAddr; 2] = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];

    /// The loopback addresses of this machine.
    fn loopback() -> Vec<IpAddr> {
        let has = |ip: &IpAddr| TcpListener::bind((*ip, 0)).is_ok();
        LOOPBACK.into_iter().filter(has).collect()
    }

    fn common(port: u16) -> Common {
        Common {
            listen: Listen {
                addresses: loopback(),
                ..Listen::default()
            },
            addresses: Addresses::default().with_port(Site::App1, port),
            usable: true,
            ..Common::unusable()
        }
    }

    #[test]
    fn every_port_is_bound_at_each_loopback_address() {
        let mut common = common(0);
        common.listen.metrics_port = Some(0);
        let mut problems = Problems::new();
        let [bound] = Listeners::bind(&common, [Site::App1], &mut problems);
        let bound = bound.unwrap();
        let of = |sockets: &[TcpListener]| {
            let addresses = sockets.iter().map(|one| one.local_addr().unwrap().ip());
            addresses.collect::<Vec<_>>()
        };
        assert_eq!(of(&bound.http), loopback());
        assert_eq!(of(&bound.metrics), loopback());
        assert!(bound.grpc.is_empty());
    }

    #[test]
    fn with_tls_every_port_has_it() {
        let tls = |domain: &str| {
            let ca = Authority::new(SystemClock.now(), &OsRandom).unwrap();
            let mut common = Common {
                tls: Some(TlsSettings {
                    certificates: Certificates::Issued(ca),
                    names: vec!["idp".to_owned()],
                }),
                ..common(0)
            };
            let addresses = Addresses::over_tls(domain, 0);
            common.addresses = addresses
                .with_port(Site::Idp, 0)
                .with_grpc_port(Site::Idp, 0);
            common.listen.metrics_port = Some(0);
            let mut problems = Problems::new();
            let [bound] = Listeners::bind(&common, [Site::Idp], &mut problems);
            let Listeners {
                http,
                grpc,
                metrics,
                ..
            } = bound.unwrap();
            assert!(
                [&http, &grpc, &metrics]
                    .iter()
                    .all(|port| port.tls.is_some())
            );
            http.is_https_only
        };
        assert!(!tls("localhost"));
        assert!(tls("example.com"));
    }

    #[test]
    fn an_address_that_is_taken_is_named_whichever_family_it_is() {
        for taken in loopback() {
            let other = TcpListener::bind((taken, 0)).unwrap();
            let address = other.local_addr().unwrap();
            let common = common(address.port());
            let mut problems = Problems::new();
            let [bound] = Listeners::bind(&common, [Site::App1], &mut problems);
            assert!(bound.is_none());
            let said = problems.lines().join("\n");
            assert!(
                said.starts_with(&format!("{address} (app1): already taken")),
                "{said}"
            );
        }
    }
}
