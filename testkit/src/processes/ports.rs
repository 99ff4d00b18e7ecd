//! Free ports, and the binaries that listen on them.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::atomic::{AtomicU16, Ordering},
};

use kit::{
    config::{Addresses, Site},
    net::is_bad_port,
};

/// Distance between the ports of two replicas.
pub(super) const STRIDE: u16 = 100;
/// Distance between two offsets, so that no ports of two platforms
/// overlap, with up to two replicas each.
const STEP: u16 = 310;
/// The candidate offsets, below the ephemeral ports.
const OFFSETS: std::ops::Range<u16> = 2_000..22_000;

/// The path of a binary of the workspace, next to the test's own.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("target/<profile>/deps");
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is not built: run scripts/test, or cargo build --workspace --bins",
        path.display()
    );
    path
}

/// An offset at which all ports of a platform with `replicas` are free, and browsers open
/// each.
pub fn free_offset(replicas: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Other test processes may search at the same time, so each starts elsewhere.
    let steps = (OFFSETS.end - OFFSETS.start) / STEP;
    let own = u16::try_from(std::process::id() % u32::from(steps)).unwrap_or_default();
    for _ in 0..steps {
        let step = (own + NEXT.fetch_add(1, Ordering::Relaxed)) % steps;
        let offset = OFFSETS.start + step * STEP;
        let addresses = Addresses::new("http", "localhost", offset);
        let ports = Site::ALL.iter().flat_map(|site| {
            let (grpc, mtls) = (addresses.grpc_port(*site), addresses.mtls_port(*site));
            [Some(addresses.port(*site)), grpc, mtls]
        });
        let mut all = ports
            .flatten()
            .flat_map(|port| (0..=replicas).map(move |n| port + n * STRIDE));
        if all.all(|port| !is_bad_port(port) && is_free(port)) {
            return offset;
        }
    }
    panic!("no free ports in {OFFSETS:?}")
}

/// Whether the port is free at both loopback addresses.
fn is_free(port: u16) -> bool {
    let has_v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let is_free = |address: SocketAddr| TcpListener::bind(address).is_ok();
    is_free(loopback(port)) && (!has_v6 || is_free((Ipv6Addr::LOCALHOST, port).into()))
}

pub(super) const fn program(site: Site) -> &'static str {
    match site {
        Site::Lab | Site::Spa | Site::Evil => "lab",
        Site::Idp => "idp",
        Site::App1 => "app1-bff",
        Site::App2 => "app2-bff",
        Site::Api1 => "api-1",
        Site::Api2 => "api-2",
    }
}

pub(super) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
