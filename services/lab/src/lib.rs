//! The lab's sites: the trainer's start page, the single-page app, the
//! attacker's site. Each has a host name, a port and a frame of its own. They
//! keep nothing and call nobody: what happens on them happens in the browser.

pub mod evil;
#[cfg(test)]
mod served;
pub mod spa;
pub mod start;

use actix_web::web::ServiceConfig;
use kit::{
    Deps,
    config::{Addresses, Common, Problems, Site, Weaknesses},
    metrics::Metrics,
    net::Listeners,
    readiness::Readiness,
    running::Running,
};
use web_kit::{client::TrustedProxies, server::HttpServer, trace};

/// The program's name on the command line.
pub const PROGRAM: &str = "lab";

/// The names of its sites in traces and metrics.
pub const SERVICES: [&str; 3] = [start::SERVICE, spa::SERVICE, evil::SERVICE];

/// The most bytes of a request's body. Nothing here takes one.
const BODY_LIMIT: usize = 1024;

/// The settings of each site.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where everything is, for the links.
    pub addresses: Addresses,
    /// The provider, as the single-page app and tokens name it.
    pub issuer: String,
    /// Worker threads.
    pub workers: usize,
    /// Proxies whose word counts about the client's address.
    pub trusted_proxies: TrustedProxies,
    /// Defences that a lab has switched off.
    pub weaknesses: Weaknesses,
}

impl Config {
    /// From the settings that all services share, and the issuer where it is
    /// not at the provider's public URL.
    pub fn read(
        common: &Common,
        idp_issuer: Option<&str>,
        problems: &mut Problems,
    ) -> Option<Self> {
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
        })
    }
}

/// Where each of its sites listens.
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
        trace: |_, _| trace::Origin::New,
        sites: config.addresses.sites(),
        body_limit: BODY_LIMIT,
        admission: kit::admission::Admission::of_process(),
        metrics_at: listeners.metrics,
    };
    let running = server.serve(listeners.http, routes);
    running.map_err(|error| Problems::one(service, error))
}

#[cfg(test)]
mod tests {
    use super::*;

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
