//! The sites of the lab: the start page with the live diagram, the single-page app and the
//! attacker's site. Each has its own host name, port and HTTP server. They call no other
//! service, except that the lab injects failures and its programs attack. The live diagram
//! keeps its journeys in memory; nothing else is kept.

mod attacks;
mod course;
pub mod evil;
mod failures;
mod inspector;
mod journey;
mod own_form;
mod scenarios;
#[cfg(test)]
mod served;
pub mod spa;
pub mod start;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
pub use failures::Controls;
use kit::{
    Deps,
    config::{Addresses, Common, Problems, Site, Weaknesses},
    journey::JourneyKeys,
    listeners::Listeners,
    metrics::Metrics,
    net::{AddressOverrides, Trust},
    readiness::Readiness,
    running::Running,
};
pub use scenarios::Offers;
use web_kit::{client::TrustedProxies, server::HttpServer, trace};

/// The program's name on the command line.
pub const PROGRAM: &str = "lab";

/// The names of its sites in traces and metrics.
pub const SERVICES: [&str; 3] = [start::SERVICE, spa::SERVICE, evil::SERVICE];

/// The most bytes of a request's body. Only the live diagram and a page in a
/// journey send one, with limits of their own.
const BODY_LIMIT: usize = 1024;

/// Flags and environment of the lab alone.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct OwnArgs {
    /// Where Jaeger shows the spans of a journey too, for the link of the live diagram
    #[arg(long, env = "JAEGER_URL", value_name = "URL")]
    pub jaeger_url: Option<String>,
    /// Where the lab reaches the services to switch failures, as service=URL, separated by commas: idp, app1-bff, app2-bff, api-1, api-2; several of one service, or a name with several addresses, are its replicas [default: the public addresses]
    #[arg(long, env = "LAB_CONTROLS", value_name = "LIST")]
    pub lab_controls: Option<String>,
    /// Where the programs of the lab's attacks reach the sites, as host:port=host:port, separated by commas: a public address, and one to connect to (https://host:port for TLS) [default: the public addresses]
    #[arg(long, env = "LAB_CONNECT", value_name = "LIST")]
    pub lab_connect: Option<String>,
}

/// The settings of each site.
#[derive(Clone, Debug)]
pub struct Config {
    /// The public addresses of all sites, for links.
    pub addresses: Addresses,
    /// The issuer, for the single-page app.
    pub issuer: String,
    /// Worker threads.
    pub workers: usize,
    /// Proxies that are trusted to report the client address.
    pub trusted_proxies: TrustedProxies,
    /// Defences that a lab has switched off.
    pub weaknesses: Weaknesses,
    /// Whether the demo users alice and bob can sign in.
    pub demo_users: bool,
    /// What the deployment offers to the scenarios.
    pub offers: Offers,
    /// The keys of the live diagram, if this deployment has one.
    pub journeys: Option<Arc<JourneyKeys>>,
    /// Where the spans of a journey are shown too.
    pub jaeger_url: Option<String>,
    /// What the https connections of the attacks trust.
    pub trust: Trust,
    /// Services that the attacks reach at another address than their public one.
    pub reach: AddressOverrides,
    /// What the attacker's authorization server does for running attacks.
    pub traps: Arc<evil::Traps>,
    /// Where the services are controlled.
    pub controls: Controls,
}

impl Config {
    /// From the settings that all services share, and the issuer if it is not the public
    /// URL of the provider.
    pub fn read(
        common: &Common,
        own: &OwnArgs,
        idp_issuer: Option<&str>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let jaeger_url = own.jaeger_url.as_deref().filter(|url| !url.is_empty());
        let jaeger_url = jaeger_url.map(|url| problems.http_url("JAEGER_URL", url));
        let controls = Controls::read(own.lab_controls.as_deref(), &common.addresses, problems);
        let reach = own.lab_connect.as_deref().unwrap_or_default();
        let reach: Option<AddressOverrides> = problems.parse("LAB_CONNECT", reach);
        let trusted_proxies = TrustedProxies::read(common, problems);
        let issuer = match idp_issuer {
            Some(text) => problems.issuer("IDP_ISSUER", text),
            None => Some(common.addresses.url(Site::Idp)),
        };
        Some(Self {
            addresses: common.addresses.clone(),
            issuer: issuer?,
            workers: common.workers,
            trusted_proxies: trusted_proxies?,
            weaknesses: common.weaknesses,
            demo_users: true,
            offers: Offers::default(),
            journeys: common.lab.as_ref().map(|lab| Arc::clone(&lab.keys)),
            jaeger_url: jaeger_url.flatten(),
            controls: controls?,
            trust: common.trust.clone(),
            reach: reach?,
            traps: Arc::default(),
        })
    }
}

/// The sockets of each site.
pub struct Sockets {
    /// The start page.
    pub start: Listeners,
    /// The single-page app.
    pub spa: Listeners,
    /// The attacker's site.
    pub evil: Listeners,
}

/// Starts all its sites.
pub fn build(config: &Config, at: Sockets, deps: &Deps) -> Result<Running, Problems> {
    let mut running = start::build(config, at.start, deps.clone())?;
    running.extend(spa::build(config, at.spa, deps.clone())?);
    running.extend(evil::build(config, at.evil, deps.clone())?);
    Ok(running)
}

/// Starts a site. It is ready at once.
fn serve(
    service: &'static str,
    config: &Config,
    listeners: Listeners,
    deps: Deps,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> Result<Running, Problems> {
    let server = HttpServer {
        service,
        metrics: Metrics::new(service)?,
        readiness: Readiness::waiting_for(deps.shutdown.clone(), &[]),
        shutdown: deps.shutdown,
        workers: config.workers,
        trusted_proxies: config.trusted_proxies.clone(),
        trace: if service == evil::SERVICE {
            evil::trace
        } else {
            |_, _| trace::Origin::New
        },
        sites: config.addresses.sites(),
        body_limit: match service {
            start::SERVICE if config.journeys.is_some() => journey::MAX_EXPORT,
            spa::SERVICE if config.journeys.is_some() => spa::MAX_REPORT,
            _ => BODY_LIMIT,
        },
        admission: kit::admission::Admission::of_process(),
        metrics_at: listeners.metrics,
    };
    let running = server.serve(listeners.http, routes);
    running.map_err(|error| Problems::one(service, error))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use kit::config::CommonArgs;
    use reqwest::Method;

    use super::*;

    #[derive(Parser)]
    struct Args {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        own: OwnArgs,
    }

    fn read(flags: &[&str]) -> (Option<Config>, Vec<String>) {
        let args = Args::parse_from([&["lab"], flags].concat());
        let mut problems = Problems::new();
        let common = args.common.read(&mut problems).unwrap();
        let config = Config::read(&common, &args.own, None, &mut problems);
        (config, problems.lines().to_vec())
    }

    #[test]
    fn attacks_use_public_names_and_connect_where_the_setting_says() {
        let (config, problems) = read(&["--lab-connect=app1.localhost:8082=sso-lab-app1-bff:80"]);
        assert!(problems.is_empty(), "{problems:?}");
        let reach = config.unwrap().reach;
        let url = "http://app1.localhost:8082/login".parse().unwrap();
        let request = reach.request(&kit::net::http_client(), Method::GET, &url);
        let request = request.build().unwrap();
        assert_eq!(request.url().as_str(), "http://sso-lab-app1-bff/login");
        assert_eq!(request.headers()["host"], "app1.localhost:8082");
        let (config, problems) = read(&["--lab-connect=app1"]);
        assert!(config.is_none() && problems[0].starts_with("LAB_CONNECT"));
    }

    #[actix_web::test]
    async fn each_site_is_ready_at_once_and_ends_with_the_drain() {
        let config = served::config();
        for build in [start::build, spa::build, evil::build] {
            let shutdown = kit::shutdown::Shutdown::new();
            let listeners = Listeners::free(false).unwrap();
            let running = build(&config, listeners, Deps::system(shutdown.clone())).unwrap();
            shutdown.begin();
            running.join().await.unwrap();
        }
    }
}
