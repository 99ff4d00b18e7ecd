//! The public addresses of all sites: the one home of host names and ports.

use std::collections::BTreeMap;

use clap::Args;

use super::{Problems, Site, Sites};
use crate::net::is_localhost;

/// The maximum port offset.
pub(super) const MAX_OFFSET: u16 = 50_000;

/// Flags and environment for the addresses of a deployment.
#[derive(Args, Clone, Debug)]
pub struct AddressArgs {
    /// Host names are <service>.DOMAIN
    #[arg(
        long,
        env = "DOMAIN",
        default_value = "localhost",
        value_name = "DOMAIN"
    )]
    pub domain: String,
    /// Scheme that browsers see: http (on localhost only) or https
    #[arg(
        long,
        env = "PUBLIC_SCHEME",
        default_value = "http",
        value_name = "SCHEME"
    )]
    pub public_scheme: String,
    /// Adds N to every port, also in the issuer, in redirect URIs and in links
    #[arg(long, env = "PORT_OFFSET", default_value = "0", value_name = "N")]
    pub port_offset: String,
}

impl AddressArgs {
    /// Checks all settings. Errors are added to `problems`.
    pub fn read(&self, problems: &mut Problems) -> Option<Addresses> {
        let names = self.check_names(problems);
        let offset: u16 = problems.parse("PORT_OFFSET", &self.port_offset)?;
        if offset > MAX_OFFSET {
            let what = format_args!("at most {MAX_OFFSET}: ports end at 65535");
            problems.add("PORT_OFFSET", what);
            return None;
        }
        names.map(|()| Addresses::new(&self.public_scheme, &self.domain, offset))
    }

    /// Checks the domain and the scheme.
    fn check_names(&self, problems: &mut Problems) -> Option<()> {
        let domain = &self.domain;
        let label = |label: &str| {
            let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            (1..=63).contains(&label.len()) && label.bytes().all(allowed)
        };
        let is_domain = domain.len() <= 200 && domain.split('.').all(label);
        if !is_domain {
            let what = format_args!("{domain:?}: expected a host name in lower case");
            problems.add("DOMAIN", what);
        }
        let is_secure = match self.public_scheme.as_str() {
            "https" => true,
            "http" if is_localhost(domain) => true,
            "http" => {
                let what = format_args!(
                    "http is refused for {domain:?}, because cookies could not be Secure; only localhost may use it"
                );
                problems.add("PUBLIC_SCHEME", what);
                false
            }
            other => {
                let what = format_args!("{other:?}: expected http or https");
                problems.add("PUBLIC_SCHEME", what);
                false
            }
        };
        (is_domain && is_secure).then_some(())
    }
}

/// Every site's public address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    sites: Sites,
    scheme: String,
    domain: String,
    offset: u16,
    http: BTreeMap<Site, u16>,
    grpc: BTreeMap<Site, u16>,
}

impl Default for Addresses {
    fn default() -> Self {
        Self::new("http", "localhost", 0)
    }
}

impl Addresses {
    /// `scheme://<site>.domain`, each port moved by `offset`.
    pub fn new(scheme: &str, domain: &str, offset: u16) -> Self {
        let moved = |port: u16| port.saturating_add(offset);
        let http = Site::ALL
            .iter()
            .map(|site| (*site, moved(site.default_port())));
        let grpc = Site::ALL
            .iter()
            .filter_map(|s| Some((*s, moved(s.default_grpc_port()?))));
        Self {
            sites: Sites::default(),
            scheme: scheme.to_owned(),
            domain: domain.to_owned(),
            offset,
            http: http.collect(),
            grpc: grpc.collect(),
        }
    }

    /// The same addresses, of a deployment that has only these sites.
    #[must_use]
    pub const fn of_sites(mut self, sites: Sites) -> Self {
        self.sites = sites;
        self
    }

    /// The sites that the deployment has.
    pub const fn sites(&self) -> Sites {
        self.sites
    }

    /// The address of `site` for a link, if the deployment has the site.
    pub fn link(&self, site: Site) -> Option<String> {
        self.sites.has(site).then(|| self.url(site))
    }

    /// The same addresses, with `site` on another HTTP port.
    #[must_use]
    pub fn with_port(mut self, site: Site, port: u16) -> Self {
        self.http.insert(site, port);
        self
    }

    /// The same addresses, with the gRPC of `site` on another port.
    #[must_use]
    pub fn with_grpc_port(mut self, site: Site, port: u16) -> Self {
        self.grpc.insert(site, port);
        self
    }

    /// How far every port is moved.
    pub const fn offset(&self) -> u16 {
        self.offset
    }

    /// The HTTP port of `site`.
    pub fn port(&self, site: Site) -> u16 {
        self.http[&site]
    }

    /// The gRPC port of `site`, if it has one.
    pub fn grpc_port(&self, site: Site) -> Option<u16> {
        self.grpc.get(&site).copied()
    }

    /// The address that browsers see, without a path. With https the port is 443:
    /// a proxy in front of the service ends TLS.
    pub fn url(&self, site: Site) -> String {
        let (scheme, domain) = (&self.scheme, &self.domain);
        let label = site.label();
        if scheme == "https" {
            format!("{scheme}://{label}.{domain}")
        } else {
            format!("{scheme}://{label}.{domain}:{}", self.port(site))
        }
    }

    /// Whether all sites are on this machine, for its own browsers.
    pub fn is_localhost(&self) -> bool {
        is_localhost(&self.domain)
    }

    /// The address at which services on this machine reach the gRPC of `site`.
    pub fn grpc_url(&self, site: Site) -> Option<String> {
        let port = self.grpc_port(site)?;
        Some(format!("http://{}.{}:{port}", site.label(), self.domain))
    }

    /// Replaces `${app1}` and the like in a text by the site's address.
    pub fn fill(&self, template: &str) -> String {
        Site::ALL.iter().fold(template.to_owned(), |text, site| {
            text.replace(&format!("${{{}}}", site.label()), &self.url(*site))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_addresses() {
        let addresses = Addresses::default();
        assert_eq!(addresses.url(Site::Lab), "http://lab.localhost:8080");
        assert_eq!(addresses.url(Site::Idp), "http://idp.localhost:8081");
        assert_eq!(addresses.url(Site::App1), "http://app1.localhost:8082");
        assert_eq!(addresses.url(Site::Api2), "http://api2.localhost:8085");
        assert_eq!(addresses.url(Site::Spa), "http://spa.localhost:8086");
        assert_eq!(addresses.url(Site::Evil), "http://evil.localhost:8087");
        assert_eq!(
            addresses.grpc_url(Site::Api2).unwrap(),
            "http://api2.localhost:9085"
        );
        assert_eq!(addresses.grpc_port(Site::Idp), Some(9081));
    }

    #[test]
    fn an_offset_moves_every_port_and_links_follow() {
        let addresses = Addresses::new("http", "localhost", 1000);
        assert_eq!(
            addresses.fill("${app2}/callback"),
            "http://app2.localhost:9083/callback"
        );
        assert_eq!(addresses.grpc_port(Site::Api2), Some(10085));
    }

    #[test]
    fn a_link_leads_only_to_what_the_deployment_has() {
        let sites: Sites = "idp, app1".parse().unwrap();
        let addresses = Addresses::default().of_sites(sites);
        assert_eq!(
            addresses.link(Site::App1).as_deref(),
            Some("http://app1.localhost:8082")
        );
        assert_eq!(addresses.link(Site::Lab), None);
    }

    #[test]
    fn under_https_there_is_no_port() {
        let addresses = Addresses::new("https", "example.com", 0);
        assert_eq!(addresses.url(Site::Idp), "https://idp.example.com");
    }

    #[test]
    fn plain_http_is_refused_outside_localhost() {
        let read = |domain: &str, public_scheme: &str| {
            let args = AddressArgs {
                domain: domain.to_owned(),
                public_scheme: public_scheme.to_owned(),
                port_offset: "0".to_owned(),
            };
            let mut problems = Problems::new();
            let addresses = args.read(&mut problems);
            assert_eq!(addresses.is_none(), !problems.is_empty());
            addresses.is_some()
        };
        assert!(!read("example.com", "http"));
        assert!(read("example.com", "https"));
        assert!(read("team.localhost", "http"));
        assert!(!read("notlocalhost", "http"));
    }
}
