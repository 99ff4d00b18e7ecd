//! The real binaries, each a process of its own, with a real Redis: the same as
//! `scripts/up` starts, on free ports.
//!
//! With several replicas the public port belongs to a balancer, and every request of
//! a [`crate::HeadlessBrowser`] goes to the next live replica.

mod faults;
mod front;
mod member;
mod ports;
mod probes;

use std::{collections::BTreeMap, net::TcpListener, path::PathBuf, time::Duration};

use kit::{
    config::{Addresses, Site},
    lab_control::CONTROLLED,
};
use store::test_redis::{RedisServer, RedisUser};
use tempfile::TempDir;

pub use self::ports::{binary, free_offset};
use self::{
    faults::is_ready,
    member::{Member, Recipe, name},
    ports::{STRIDE, loopback, program},
    probes::Probes,
};
use crate::{Child, FaultProxy, TlsFront, WireTap, wire_tap::Rotation};

/// Timeout for all services to become ready on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// The lab's secret of all processes, with [`Plan::lab`].
pub const LAB_SECRET: &str = "a secret of the lab, for all processes";
/// Timeout of a drain.
const DRAIN: Duration = Duration::from_secs(15);

/// The configuration of the processes.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
pub struct Plan {
    /// Number of processes of the IdP and of each BFF; 0 counts as 1.
    pub replicas: usize,
    /// Whether each API has the same number.
    pub api_replicas: bool,
    /// Whether the balancers poll the readiness of each replica and send it
    /// connections accordingly; otherwise they skip a replica that accepts
    /// no connection.
    pub probed: bool,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` of all processes.
    pub otlp_endpoint: Option<String>,
    /// Whether all processes are part of a lab with a live diagram.
    pub lab: bool,
    /// Additional environment of all processes.
    pub environment: Vec<(String, String)>,
    /// Replacements in the IdP's built-in configuration: texts and their
    /// substitutes ([`Processes::configure_idp`]).
    pub idp_config: Vec<(&'static str, &'static str)>,
    /// Whether the BFFs reach the IdP through a [`FaultProxy`].
    pub proxied_idp: bool,
    /// Whether all processes reach each other over TLS, through a [`TlsFront`].
    pub over_tls: bool,
    /// Whether all of them reach Redis through a [`WireTap`].
    pub tapped_redis: bool,
    /// The Redis of all processes, instead of a new one.
    pub redis_url: Option<String>,
    /// Whether Redis keeps its data over a crash.
    pub durable_redis: bool,
    /// Sites with an in-memory store instead of Redis.
    pub in_memory: Vec<Site>,
}

/// All services. They stop when this is dropped.
pub struct Processes {
    // Dropped in order: the services before their store.
    members: BTreeMap<String, Member>,
    taps: BTreeMap<String, WireTap>,
    probes: Option<Probes>,
    fault_proxy: Option<FaultProxy>,
    front: Option<TlsFront>,
    redis_tap: Option<WireTap>,
    addresses: Addresses,
    /// `None`: [`Plan::redis_url`].
    redis: Option<RedisServer>,
    folder: TempDir,
}

impl Processes {
    /// Starts the processes of `plan`, and waits until all are ready.
    pub async fn start(plan: &Plan) -> Self {
        let redis = match plan {
            Plan {
                redis_url: Some(_), ..
            } => None,
            Plan {
                durable_redis: true,
                ..
            } => Some(RedisServer::start_guarded_durable()),
            _ => Some(RedisServer::start_guarded()),
        };
        let redis_tap = redis
            .as_ref()
            .filter(|_| plan.tapped_redis)
            .map(|redis| WireTap::in_front_of(loopback(redis.port())));
        let folder = tempfile::tempdir().unwrap();
        let replicas = replicas(plan);
        let offset = free_offset(replicas);
        let addresses = Addresses::new("http", "localhost", offset);
        let idp = loopback(addresses.port(Site::Idp));
        let mut all = Self {
            members: BTreeMap::new(),
            taps: BTreeMap::new(),
            probes: None,
            fault_proxy: plan.proxied_idp.then(|| FaultProxy::leading_to(idp)),
            front: None,
            redis_tap,
            addresses,
            redis,
            folder,
        };
        all.configure_idp(&plan.idp_config);
        if plan.over_tls {
            all.front = Some(all.open_front().await);
        }
        all.tap_and_start(offset, replicas, plan);
        if plan.probed {
            all.probes = Some(all.probe(replicas, plan));
        }
        all.until_ready(replicas, plan).await;
        all
    }

    /// The public URL of `site`.
    pub fn url(&self, site: Site) -> String {
        self.addresses.url(site)
    }

    /// The replica `number` of `site` without the balancer, under the public
    /// host name. The first replica is 1.
    pub fn replica_url(&self, site: Site, number: u16) -> String {
        let port = self.addresses.port(site);
        let public = self.addresses.url(site);
        public.replace(&port.to_string(), &(port + number * STRIDE).to_string())
    }

    /// The replica's gRPC address, if `site` has gRPC.
    pub fn replica_grpc_url(&self, site: Site, number: u16) -> Option<String> {
        let port = self.addresses.grpc_port(site)?;
        Some(format!("http://{}", loopback(port + number * STRIDE)))
    }

    /// The addresses of all services.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The shared store.
    pub fn redis(&self) -> &RedisServer {
        self.redis.as_ref().expect("no Plan::redis_url")
    }

    /// The HTTP traffic between `site` and its clients.
    pub fn tap(&self, site: Site) -> &WireTap {
        &self.taps[site.label()]
    }

    /// The TLS front of all services, with [`Plan::over_tls`].
    pub fn front(&self) -> &TlsFront {
        self.front.as_ref().expect("no Plan::over_tls")
    }

    /// The state directory of all services.
    pub fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The file with the front's CA.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The process `name`, for example `idp` or `app1-bff-2`.
    pub fn child(&mut self, name: &str) -> &mut Child {
        &mut self.member(name).child
    }

    /// The output of each process, by name.
    pub fn output(&self) -> BTreeMap<String, String> {
        self.members
            .iter()
            .map(|(name, member)| (name.clone(), member.child.output()))
            .collect()
    }

    /// Stops all processes by SIGTERM and waits for exit code 0 of each drain.
    /// Afterwards all telemetry has been sent.
    pub fn stop(&mut self) {
        self.terminate();
        let living = self
            .members
            .iter_mut()
            .filter(|(_, m)| !m.child.was_killed());
        for (name, Member { child, .. }) in living {
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
            let count = count(site, replicas, plan);
            let replica_at = |port: u16| {
                (1..=count)
                    .map(|n| loopback(port + n * STRIDE))
                    .collect::<Vec<_>>()
            };
            let mut tap = |name: String, port: u16| {
                let listener = TcpListener::bind(loopback(port)).unwrap();
                let rotation = if plan.probed && count > 1 {
                    Rotation::told()
                } else {
                    Rotation::of(replica_at(port))
                };
                self.taps
                    .insert(name, WireTap::leading_to(listener, rotation));
            };
            tap(site.label().to_owned(), self.addresses.port(site));
            if let Some(port) = self.addresses.grpc_port(site) {
                tap(format!("{} grpc", site.label()), port);
            }
            if let Some(port) = self.addresses.mtls_port(site) {
                tap(format!("{} mtls", site.label()), port);
            }
            for number in 1..=count {
                let name = name(site, number);
                // A process may serve several sites.
                if !self.members.contains_key(&name) {
                    let recipe = self.recipe(site, &name, offset, number * STRIDE, plan);
                    self.members.insert(name, Member::start(recipe));
                }
            }
        }
    }

    fn recipe(
        &self,
        site: Site,
        name: &str,
        offset: u16,
        listen_offset: u16,
        plan: &Plan,
    ) -> Recipe {
        let state = self.state_dir().display().to_string();
        let flags = vec![
            format!("--port-offset={offset}"),
            format!("--listen-offset={listen_offset}"),
            format!("--state-dir={state}"),
        ];
        let redis = self.redis_url(site, plan);
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut environment = vec![
            own("REDIS_URL", &redis),
            own("RUST_LOG", "info"),
            own(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                plan.otlp_endpoint.as_deref().unwrap_or_default(),
            ),
            // Exports spans soon after they end, because tests wait for them.
            own("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ];
        if !plan.idp_config.is_empty() {
            let file = self.idp_config().display().to_string();
            environment.push(own("IDP_CONFIG", &file));
        }
        if let (Some(proxy), Site::App1 | Site::App2) = (&self.fault_proxy, site) {
            let url = format!("http://{}", proxy.listen_for(name));
            environment.push(own("IDP_INTERNAL_URL", &url));
        }
        if let Some(front) = &self.front {
            environment.extend(self.over_tls(front));
        }
        if plan.lab {
            let lab = self.addresses.url(Site::Lab);
            environment.extend([
                own("LAB", "1"),
                own("LAB_SECRET", LAB_SECRET),
                own("LAB_OTLP_ENDPOINT", &lab),
                own("LAB_CONTROLS", &self.controls(plan)),
            ]);
        }
        environment.extend(plan.environment.iter().cloned());
        Recipe {
            program: program(site),
            name: name.to_owned(),
            flags,
            environment,
            folder: self.folder.path().to_owned(),
            port: self.addresses.port(site) + listen_offset,
        }
    }

    /// Every replica of the services that the lab controls.
    fn controls(&self, plan: &Plan) -> String {
        let each = CONTROLLED.into_iter().flat_map(|(name, site)| {
            let numbers = 1..=count(site, replicas(plan), plan);
            numbers.map(move |number| format!("{name}={}", self.replica_url(site, number)))
        });
        each.collect::<Vec<_>>().join(",")
    }

    /// The Redis URL of `site`'s processes, with the service's own user.
    fn redis_url(&self, site: Site, plan: &Plan) -> String {
        let keeps_nothing = matches!(site, Site::Lab | Site::Spa | Site::Evil);
        if keeps_nothing || plan.in_memory.contains(&site) {
            return String::new();
        }
        if let Some(url) = &plan.redis_url {
            return url.clone();
        }
        let user = RedisUser::named(&format!("sso-lab-{}", program(site)));
        match &self.redis_tap {
            Some(tap) => format!("redis://{}{}", user.login(), tap.address()),
            None => self.redis().url_for(&user),
        }
    }

    fn member(&mut self, name: &str) -> &mut Member {
        self.members
            .get_mut(name)
            .unwrap_or_else(|| panic!("no process {name}"))
    }

    /// The IdP's configuration file.
    fn idp_config(&self) -> PathBuf {
        self.folder.path().join("idp.toml")
    }

    fn terminate(&self) {
        let members = self.members.values();
        members.for_each(|member| member.child.terminate());
    }

    async fn until_ready(&mut self, replicas: u16, plan: &Plan) {
        let http = kit::net::http_client();
        let each = Site::ALL.into_iter().flat_map(|site| {
            let numbers = 1..=count(site, replicas, plan);
            numbers.map(move |number| (site, number))
        });
        let ready = async {
            for (site, number) in each {
                let url = self.replica_url(site, number) + "/readyz";
                while !(is_ready(&http, &url).await && self.is_in_rotation(site, number)) {
                    self.no_child_has_ended();
                    tokio::time::sleep(Duration::from_millis(30)).await;
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
}

/// The number of processes of each service with replicas.
fn replicas(plan: &Plan) -> u16 {
    u16::try_from(plan.replicas.max(1)).unwrap()
}

/// The number of processes that serve `site`.
const fn count(site: Site, replicas: u16, plan: &Plan) -> u16 {
    match site {
        Site::Idp | Site::App1 | Site::App2 => replicas,
        Site::Api1 | Site::Api2 if plan.api_replicas => replicas,
        _ => 1,
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        // Signals all processes before waiting for any.
        self.terminate();
        self.members.clear();
    }
}
