//! All services in this process, on free ports, with a clock that the test sets and
//! a store in memory. Each public HTTP port is a [`WireTap`].

use std::{collections::BTreeMap, net::TcpListener, path::Path, sync::Arc, time::Duration};

use kit::{
    Deps,
    clock::{Clock, ManualClock, SystemClock},
    config::{Addresses, RedisSettings, Site, Weakness},
    listeners::Listeners,
    net::Trust,
    random::SeededRandom,
    running::Running,
    shutdown::Shutdown,
    tls::{Acceptor, Authority, ClientCertificates, Identity, Protocol},
};
use store::test_redis::RedisServer;
use tempfile::TempDir;

use crate::{
    ClientAuth, HeadlessBrowser, Machine, TestCertificate, WireTap, lab_ca,
    start::{Changes, Start},
};

/// Timeout for all services to become ready on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// All services. They stop when this is dropped.
pub struct Platform {
    addresses: Addresses,
    taps: BTreeMap<Site, WireTap>,
    clock: Arc<ManualClock>,
    trust: Trust,
    shutdown: Shutdown,
    // Stops with the runtime of the test.
    _running: Running,
    state: TempDir,
}

impl Platform {
    /// Starts all services with their default settings, and waits until all are ready.
    pub async fn start() -> Self {
        Self::start_as(Changes::default()).await
    }

    /// Starts them with additional flags of the provider.
    pub async fn start_with(idp_flags: &[&str]) -> Self {
        Self::start_as(Changes {
            idp_flags,
            ..Changes::default()
        })
        .await
    }

    /// Starts them with additional flags of both apps.
    pub async fn start_with_bff(bff_flags: &[&str]) -> Self {
        Self::start_as(Changes {
            bff_flags,
            ..Changes::default()
        })
        .await
    }

    /// Starts them with additional flags of both apps and of API-1.
    pub async fn start_with_bff_and_api1(bff_flags: &[&str], api1_flags: &[&str]) -> Self {
        Self::start_as(Changes {
            bff_flags,
            api1_flags,
            ..Changes::default()
        })
        .await
    }

    /// Starts them with additional flags of both apps and of both APIs, and with their
    /// records in `redis`, if given.
    pub async fn start_with_bff_and_apis(
        bff_flags: &[&str],
        api_flags: &[&str],
        redis: Option<&RedisServer>,
    ) -> Self {
        Self::start_as(Changes {
            bff_flags,
            api1_flags: api_flags,
            api2_flags: api_flags,
            redis,
            ..Changes::default()
        })
        .await
    }

    /// Starts them with additional flags of the provider, of App 1 alone, and of API-1.
    pub async fn start_with_idp_app1_and_api1(
        idp_flags: &[&str],
        app1_flags: &[&str],
        flags_of_api1: &[&str],
    ) -> Self {
        Self::start_as(Changes {
            idp_flags,
            app1_flags,
            api1_flags: flags_of_api1,
            ..Changes::default()
        })
        .await
    }

    /// Starts them with additional flags of the provider and of each API.
    pub async fn start_with_apis(
        idp_flags: &[&str],
        api1_flags: &[&str],
        api2_flags: &[&str],
    ) -> Self {
        Self::start_as(Changes {
            idp_flags,
            api1_flags,
            api2_flags,
            ..Changes::default()
        })
        .await
    }

    /// Starts them with both apps in the session mode `mode`, and with additional flags
    /// of the provider and of API-2.
    pub async fn start_in_mode_with(mode: &str, idp_flags: &[&str], api2_flags: &[&str]) -> Self {
        Self::start_as(Changes {
            idp_flags,
            bff_flags: &["--bff-session-mode", mode],
            api2_flags,
            ..Changes::default()
        })
        .await
    }

    /// Starts them with additional flags of the provider and both apps, and with
    /// their records in `redis`, if given.
    pub async fn start_on(redis: Option<&RedisServer>, flags: &[&str]) -> Self {
        Self::start_as(Changes {
            common_flags: flags,
            redis,
            ..Changes::default()
        })
        .await
    }

    /// Starts them with additional flags of the provider, and with all records in
    /// `redis`.
    pub async fn start_with_idp_on(redis: &RedisServer, idp_flags: &[&str]) -> Self {
        Self::start_as(Changes {
            idp_flags,
            redis: Some(redis),
            ..Changes::default()
        })
        .await
    }

    /// Starts them with both apps in the session mode `mode`.
    pub async fn start_in_mode(mode: &str) -> Self {
        Self::start_with_bff(&["--bff-session-mode", mode]).await
    }

    /// Starts them as a lab in which all services disable these defences.
    pub async fn start_weakened(weaknesses: &[Weakness]) -> Self {
        Self::start_as(Changes {
            weaknesses,
            ..Changes::default()
        })
        .await
    }

    /// Starts them with each host name below `domain`, a name under `localhost`, so that the
    /// sites are siblings.
    pub async fn start_at(domain: &str) -> Self {
        Self::start_below(domain, Changes::default()).await
    }

    /// Starts them with TLS on each port, gRPC too, by certificates of the lab's CA, and with
    /// additional flags of both apps.
    pub async fn start_over_tls(bff_flags: &[&str]) -> Self {
        Self::start_as(Changes {
            bff_flags,
            over_tls: true,
            ..Changes::default()
        })
        .await
    }

    async fn start_as(changes: Changes<'_>) -> Self {
        Self::start_below("localhost", changes).await
    }

    async fn start_below(domain: &str, changes: Changes<'_>) -> Self {
        let state = tempfile::tempdir().unwrap();
        let ca = changes.over_tls.then(|| lab_ca(state.path()));
        let trust = ca.as_ref().map_or_else(Trust::default, |ca| {
            Trust::default().with_root(ca.certificate())
        });
        let (addresses, mut listeners, taps) = open_ports(domain, ca.as_ref());
        // The present time, so that a real browser's dates agree with it.
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let shutdown = Shutdown::new();
        let deps = Deps {
            clock: Arc::<ManualClock>::clone(&clock),
            random: Arc::new(SeededRandom::new(1)),
            shutdown: shutdown.clone(),
        };
        let redis = changes.redis.map(|redis| RedisSettings::at(&redis.url()));
        let store = store::open(redis.as_ref(), Arc::<ManualClock>::clone(&clock)).unwrap();
        let start = Start {
            addresses: &addresses,
            state: state.path(),
            trust: &trust,
            deps,
            store,
            changes,
        };
        let mut running = Running::new();
        for site in Site::ALL {
            let listeners = listeners.remove(&site).expect("a port for each site");
            running.extend(start.service(site, listeners).await);
        }
        let platform = Self {
            addresses,
            taps,
            clock,
            trust,
            shutdown,
            _running: running,
            state,
        };
        platform.until_ready().await;
        platform
    }

    /// The public URL of `site`.
    pub fn url(&self, site: Site) -> String {
        self.addresses.url(site)
    }

    /// The gRPC address of `site`.
    pub fn grpc_url(&self, site: Site) -> String {
        self.addresses
            .grpc_url(site)
            .expect("a site that speaks gRPC")
    }

    /// The mTLS address of `site`.
    pub fn mtls_url(&self, site: Site) -> String {
        let url = self.addresses.mtls_url(site);
        url.expect("a site with an mTLS port")
    }

    /// The lab's CA, which the services use.
    pub fn lab_ca(&self) -> Authority {
        lab_ca(self.state_dir())
    }

    /// A client of the provider that calls its mTLS port, with a certificate or without.
    pub fn mtls_machine(&self, auth: ClientAuth, own: Option<&TestCertificate>) -> Machine {
        let machine = self.machine(auth);
        let ca = self.lab_ca().pem();
        machine.over_mtls(&self.mtls_url(Site::Idp), &ca, own)
    }

    /// The issuer.
    pub fn issuer(&self) -> String {
        self.url(Site::Idp)
    }

    /// The addresses of all services.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The HTTP traffic of `site`.
    pub fn tap(&self, site: Site) -> &WireTap {
        &self.taps[&site]
    }

    /// The state directory of all services.
    pub fn state_dir(&self) -> &Path {
        self.state.path()
    }

    /// Advances the clock of services and browsers.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// The time.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::<ManualClock>::clone(&self.clock)
    }

    /// A new browser without JavaScript.
    pub fn cli(&self) -> HeadlessBrowser {
        HeadlessBrowser::with_clock(self.clock()).trusting(&self.trust)
    }

    /// A client of the provider.
    pub fn machine(&self, auth: ClientAuth) -> Machine {
        Machine::with_clock(&self.issuer(), auth, self.clock()).trusting(&self.trust)
    }

    /// The certificate authorities of a client: with TLS, the lab's CA too.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    async fn until_ready(&self) {
        let http = self.trust.http_client();
        for site in Site::ALL {
            let url = format!("{}/readyz", self.url(site));
            let ready = async {
                while !http
                    .get(&url)
                    .send()
                    .await
                    .is_ok_and(|answer| answer.status().is_success())
                {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            assert!(
                tokio::time::timeout(PATIENCE, ready).await.is_ok(),
                "{url} is not ready"
            );
        }
        self.taps.values().for_each(WireTap::forget);
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.shutdown.begin();
    }
}

/// Addresses with real ports, the sockets behind them, and the taps before these.
fn open_ports(
    domain: &str,
    ca: Option<&Authority>,
) -> (
    Addresses,
    BTreeMap<Site, Listeners>,
    BTreeMap<Site, WireTap>,
) {
    let mut addresses = match ca {
        None => Addresses::new("http", domain, 0),
        Some(_) => Addresses::over_tls(domain, 0),
    };
    let (mut all, mut taps) = (BTreeMap::new(), BTreeMap::new());
    for site in Site::ALL {
        let mut listeners = Listeners::free(addresses.grpc_port(site).is_some()).unwrap();
        if let Some(ca) = ca {
            let names = [addresses.host(site), "localhost".to_owned()];
            let identity = Identity::issued(ca, &names, SystemClock.now()).unwrap();
            let tls = |protocol| {
                let identity = identity.clone();
                Acceptor::new(identity, protocol, ClientCertificates::Ignored).unwrap()
            };
            listeners.http.tls = Some(tls(Protocol::Http));
            listeners.grpc.tls = Some(tls(Protocol::Grpc));
        }
        let tap = WireTap::in_front_of(listeners.http[0].local_addr().unwrap());
        addresses = addresses.with_port(site, tap.address().port());
        if let Some(grpc) = listeners.grpc.first() {
            addresses = addresses.with_grpc_port(site, port(grpc));
        }
        if addresses.mtls_port(site).is_some() {
            // Its service adds the certificate (`start`).
            let mtls = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            addresses = addresses.with_mtls_port(site, port(&mtls));
            listeners.mtls = vec![mtls].into();
        }
        all.insert(site, listeners);
        taps.insert(site, tap);
    }
    (addresses, all, taps)
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}
