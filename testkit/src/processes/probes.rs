//! Balancers that send connections to ready replicas, as Kubernetes does. They poll
//! the readiness, so a draining replica still receives connections for a while, and a
//! new replica receives none before it is ready.

use std::{net::SocketAddr, time::Duration};

use kit::config::Site;
use tokio::task::JoinSet;

use super::{
    Plan, Processes, count,
    faults::is_ready,
    ports::{STRIDE, loopback},
};
use crate::wire_tap::Rotation;

/// Polling interval of each replica.
const EVERY: Duration = Duration::from_millis(100);

/// Polls all replicas until it is dropped.
pub(super) struct Probes(#[expect(dead_code, reason = "stops when dropped")] JoinSet<()>);

/// A replica's membership in the rotation of one port's balancer.
struct RotationMember {
    rotation: Rotation,
    server: SocketAddr,
}

impl Processes {
    /// Starts to poll the replicas of each site with several replicas.
    pub(super) fn probe(&self, replicas: u16, plan: &Plan) -> Probes {
        let mut asking = JoinSet::new();
        for site in Site::ALL {
            let count = count(site, replicas, plan);
            if count == 1 {
                // This site has no balancer.
                continue;
            }
            let (label, port) = (site.label(), self.addresses.port(site));
            let grpc = self.addresses.grpc_port(site);
            for number in 1..=count {
                let member = |name: &str, port| RotationMember {
                    rotation: self.taps[name].rotation().clone(),
                    server: replica(port, number),
                };
                let mut members = vec![member(label, port)];
                members.extend(grpc.map(|port| member(&format!("{label} grpc"), port)));
                asking.spawn(ask(replica(port, number), members));
            }
        }
        Probes(asking)
    }

    /// Whether connections to `site` go to the replica `number`.
    pub(super) fn is_in_rotation(&self, site: Site, number: u16) -> bool {
        let server = replica(self.addresses.port(site), number);
        self.taps[site.label()].rotation().has(server)
    }
}

/// Polls `http`; the result applies to all ports of the replica.
async fn ask(http: SocketAddr, members: Vec<RotationMember>) {
    let client = kit::net::http_client();
    let url = format!("http://{http}/readyz");
    loop {
        let is_in = is_ready(&client, &url).await;
        for RotationMember { rotation, server } in &members {
            rotation.set(*server, is_in);
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn replica(port: u16, number: u16) -> SocketAddr {
    loopback(port + number * STRIDE)
}
