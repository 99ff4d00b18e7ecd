//! The real binaries, each a process of its own, against a real Redis: what
//! `scripts/up` starts, on ports that nobody else has.
//!
//! With several replicas the public port is a balancer's, and every request of
//! a [`crate::Cli`] goes to the next replica.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use kit::config::{Addresses, Site};
use store::test_redis::RedisServer;
use tempfile::TempDir;

use crate::{Child, Tap};

/// How long all of them may take to be ready on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a drain may take.
const DRAIN: Duration = Duration::from_secs(15);
/// Between the ports of two replicas.
const STRIDE: u16 = 100;
/// Between two offsets: so far that neither HTTP nor gRPC ports of two platforms
/// meet, with up to two replicas each.
const STEP: u16 = 310;
/// The offsets that are tried, below the ports that systems hand out.
const OFFSETS: std::ops::Range<u16> = 2_000..22_000;

/// How to start them.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Processes of the IdP and of each BFF; 0 counts as 1.
    pub replicas: usize,
    /// For all of them: `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub otlp_endpoint: Option<String>,
    /// For all of them: more of the environment.
    pub environment: Vec<(String, String)>,
}

/// All services. They end when it is dropped.
pub struct Processes {
    // The services end before the store that they stand on.
    children: BTreeMap<String, Child>,
    taps: BTreeMap<String, Tap>,
    addresses: Addresses,
    redis: RedisServer,
    folder: TempDir,
}

impl Processes {
    /// Starts them by `plan`, and waits until all are ready.
    pub async fn start(plan: &Plan) -> Self {
        let redis = RedisServer::start();
        let folder = tempfile::tempdir().unwrap();
        let replicas = u16::try_from(plan.replicas.max(1)).unwrap();
        let offset = free_offset(replicas);
        let addresses = Addresses::new("http", "localhost", offset);
        let mut all = Self {
            children: BTreeMap::new(),
            taps: BTreeMap::new(),
            addresses,
            redis,
            folder,
        };
        all.tap_and_start(offset, replicas, plan);
        all.until_ready().await;
        all
    }

    /// What browsers see of `site`.
    pub fn url(&self, site: Site) -> String {
        self.addresses.url(site)
    }

    /// Where everything is.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The store that they share.
    pub fn redis(&self) -> &RedisServer {
        &self.redis
    }

    /// All that browsers and services said to `site` over HTTP, and its answers.
    pub fn tap(&self, site: Site) -> &Tap {
        &self.taps[site.label()]
    }

    /// The process `name`, for example `idp` or `app1-bff-2`.
    pub fn child(&mut self, name: &str) -> &mut Child {
        self.children
            .get_mut(name)
            .unwrap_or_else(|| panic!("no process {name}"))
    }

    /// All that the processes have written, by name.
    pub fn output(&self) -> BTreeMap<String, String> {
        self.children
            .iter()
            .map(|(name, child)| (name.clone(), child.output()))
            .collect()
    }

    /// Asks all of them to end, and waits until they have: each with the code 0
    /// of a drain. All that they had to send has been sent then.
    pub fn stop(&mut self) {
        self.children.values().for_each(Child::terminate);
        for (name, child) in &mut self.children {
            let ended = tokio::task::block_in_place(|| child.wait(DRAIN));
            assert_eq!(
                ended.and_then(|status| status.code()),
                Some(0),
                "{name}: {}",
                child.output()
            );
        }
    }

    fn tap_and_start(&mut self, offset: u16, replicas: u16, plan: &Plan) {
        for site in Site::ALL {
            let Some(program) = program(site) else {
                continue;
            };
            let count = if matches!(site, Site::Idp | Site::App1 | Site::App2) {
                replicas
            } else {
                1
            };
            let replica_at = |port: u16| {
                (1..=count)
                    .map(|n| loopback(port + n * STRIDE))
                    .collect::<Vec<_>>()
            };
            let mut tap = |name: String, port: u16| {
                let listener = TcpListener::bind(loopback(port)).unwrap();
                self.taps.insert(name, Tap::on(listener, replica_at(port)));
            };
            tap(site.label().to_owned(), self.addresses.port(site));
            if let Some(port) = self.addresses.grpc_port(site) {
                tap(format!("{} grpc", site.label()), port);
            }
            for number in 1..=count {
                let name = if number == 1 {
                    program.to_owned()
                } else {
                    format!("{program}-{number}")
                };
                let child = self.start_one(program, &name, offset, number * STRIDE, plan);
                self.children.insert(name, child);
            }
        }
    }

    fn start_one(
        &self,
        program: &str,
        name: &str,
        offset: u16,
        listen_offset: u16,
        plan: &Plan,
    ) -> Child {
        let state = self.folder.path().join("state").display().to_string();
        let flags = [
            format!("--port-offset={offset}"),
            format!("--listen-offset={listen_offset}"),
            format!("--state-dir={state}"),
        ];
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut environment = vec![
            own("REDIS_URL", &self.redis.url()),
            own("RUST_LOG", "info"),
            own(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                plan.otlp_endpoint.as_deref().unwrap_or_default(),
            ),
            // Spans leave soon after they end: a test waits for them.
            own("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ];
        environment.extend(plan.environment.iter().cloned());
        let log = self.folder.path().join(format!("{name}.log"));
        Child::spawn(&binary(program), &flags, &environment, log)
    }

    async fn until_ready(&mut self) {
        let http = kit::net::http_client();
        let urls: Vec<_> = Site::ALL
            .iter()
            .filter(|site| program(**site).is_some())
            .map(|site| self.url(*site))
            .collect();
        let ready = async {
            for url in urls {
                // Each replica behind the balancer has to say so.
                let mut in_a_row = 0;
                while in_a_row < 2 {
                    self.no_child_has_ended();
                    let answer = http
                        .get(format!("{url}/readyz"))
                        .header("connection", "close")
                        .send()
                        .await;
                    let is_ready = answer.is_ok_and(|answer| answer.status().is_success());
                    in_a_row = if is_ready { in_a_row + 1 } else { 0 };
                    if !is_ready {
                        tokio::time::sleep(Duration::from_millis(30)).await;
                    }
                }
            }
        };
        let outcome = tokio::time::timeout(PATIENCE, ready).await;
        assert!(
            outcome.is_ok(),
            "not ready after {PATIENCE:?}: {:#?}",
            self.output()
        );
    }

    fn no_child_has_ended(&mut self) {
        for (name, child) in &mut self.children {
            if let Some(status) = child.ended() {
                panic!("{name} ended ({status}): {}", child.output());
            }
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        // All are asked before any is waited for.
        self.children.values().for_each(Child::terminate);
        self.children.clear();
    }
}

/// The path of a binary of this workspace, beside this test's own.
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

/// An offset at which no port of a platform with `replicas` is taken.
pub fn free_offset(replicas: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Another test process may look at the same time: each begins elsewhere.
    let steps = (OFFSETS.end - OFFSETS.start) / STEP;
    let own = u16::try_from(std::process::id() % u32::from(steps)).unwrap_or_default();
    for _ in 0..steps {
        let step = (own + NEXT.fetch_add(1, Ordering::Relaxed)) % steps;
        let offset = OFFSETS.start + step * STEP;
        let addresses = Addresses::new("http", "localhost", offset);
        let ports = Site::ALL
            .iter()
            .flat_map(|site| [Some(addresses.port(*site)), addresses.grpc_port(*site)]);
        let mut all = ports
            .flatten()
            .flat_map(|port| (0..=replicas).map(move |n| port + n * STRIDE));
        if all.all(|port| TcpListener::bind(loopback(port)).is_ok()) {
            return offset;
        }
    }
    panic!("no free ports in {OFFSETS:?}")
}

fn program(site: Site) -> Option<&'static str> {
    match site {
        Site::Lab => Some("lab"),
        Site::Idp => Some("idp"),
        Site::App1 => Some("app1-bff"),
        Site::App2 => Some("app2-bff"),
        Site::Api1 => Some("api-1"),
        Site::Api2 => Some("api-2"),
        Site::Spa => None,
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
