//! The sockets that a service listens on.

use std::{io, net::TcpListener};

use crate::config::{Common, Problems, Site};

/// A service's sockets, bound before any service starts, so that a taken port is reported
/// at once. Each port is bound at every address of `BIND`.
#[derive(Debug)]
pub struct Listeners {
    /// HTTP.
    pub http: Vec<TcpListener>,
    /// gRPC; empty if the service has none.
    pub grpc: Vec<TcpListener>,
    /// Only `/metrics`; empty if the HTTP port serves it.
    pub metrics: Vec<TcpListener>,
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
        let mut bind = |port: u16, what: &str| {
            let port = port.saturating_add(common.listen.offset);
            let bound = common.listen.addresses.iter().map(|ip| {
                let address = std::net::SocketAddr::new(*ip, port);
                let bound = TcpListener::bind(address);
                let name = format_args!("{address} ({}{what})", site.label()).to_string();
                bound.map_err(|e| problems.add(name, why(&e))).ok()
            });
            // All addresses are tried, so that the errors name every taken one.
            let bound: Vec<_> = bound.collect();
            bound.into_iter().collect::<Option<Vec<_>>>()
        };
        let http = bind(common.addresses.port(site), "");
        let grpc = common.addresses.grpc_port(site);
        let grpc = grpc.map_or(Some(Vec::new()), |port| bind(port, " gRPC"));
        let metrics = common.listen.metrics_port.map_or(Some(Vec::new()), |port| {
            bind(port.saturating_add(distance), " metrics")
        });
        Some(Self {
            http: http?,
            grpc: grpc?,
            metrics: metrics?,
        })
    }

    /// Free ports of loopback, for tests.
    pub fn free(grpc: bool) -> io::Result<Self> {
        let any = || TcpListener::bind(("127.0.0.1", 0));
        Ok(Self {
            http: vec![any()?],
            grpc: grpc.then(any).transpose()?.into_iter().collect(),
            metrics: Vec::new(),
        })
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
    use crate::config::{Addresses, Listen};

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
