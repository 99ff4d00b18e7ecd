//! The public addresses of all sites: the one home of host names and ports.

use std::collections::BTreeMap;

use clap::Args;

use super::{Problems, Site, Sites};
use crate::net::{is_bad_port, is_localhost};

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
    /// Scheme that browsers see: http (on localhost only), or https at port 443, where a proxy is in front [default: http; with TLS, https at the services' own ports]
    #[arg(long, env = "PUBLIC_SCHEME", value_name = "SCHEME")]
    pub public_scheme: Option<String>,
    /// Every service speaks TLS, gRPC too, by certificates of the lab's CA (in STATE_DIR) or of TLS_CERT_FILE
    #[arg(long, env = "TLS", value_parser = super::flag)]
    pub tls: bool,
    /// Adds N to every port, also in the issuer, in redirect URIs and in links
    #[arg(long, env = "PORT_OFFSET", default_value = "0", value_name = "N")]
    pub port_offset: String,
}

impl AddressArgs {
    /// Checks all settings. Errors are added to `problems`.
    pub fn read(&self, problems: &mut Problems) -> Option<Addresses> {
        let scheme = self.check_names(problems);
        let offset: u16 = problems.parse("PORT_OFFSET", &self.port_offset)?;
        if offset > MAX_OFFSET {
            let what = format_args!("at most {MAX_OFFSET}: ports end at 65535");
            problems.add("PORT_OFFSET", what);
            return None;
        }
        let scheme = scheme?;
        let addresses = match (self.tls, &self.public_scheme) {
            (false, _) => Addresses::new(scheme, &self.domain, offset),
            (true, None) => Addresses::over_tls(&self.domain, offset),
            (true, Some(_)) => Addresses::over_tls(&self.domain, offset).behind_proxy(),
        };
        if let Some(site) = addresses.site_at_a_bad_port() {
            let url = addresses.url(site);
            let what = format_args!("{offset} makes {url}, a port that browsers refuse to open");
            problems.add("PORT_OFFSET", what);
            return None;
        }
        Some(addresses)
    }

    /// Checks the domain and the scheme, which is returned.
    fn check_names(&self, problems: &mut Problems) -> Option<&str> {
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
        let default = if self.tls { "https" } else { "http" };
        let scheme = self.public_scheme.as_deref().unwrap_or(default);
        let is_secure = match scheme {
            "https" => true,
            "http" if self.tls => {
                problems.add("PUBLIC_SCHEME", "http does not go together with TLS");
                false
            }
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
        (is_domain && is_secure).then_some(scheme)
    }
}

/// Every site's public address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    sites: Sites,
    scheme: String,
    /// Whether browsers see the services' own ports.
    has_ports: bool,
    /// Whether the services themselves speak TLS.
    tls: bool,
    domain: String,
    offset: u16,
    http: BTreeMap<Site, u16>,
    grpc: BTreeMap<Site, u16>,
    mtls: BTreeMap<Site, u16>,
}

impl Default for Addresses {
    fn default() -> Self {
        Self::new("http", "localhost", 0)
    }
}

impl Addresses {
    /// `scheme://<site>.domain`, each port moved by `offset`. With https the port is 443: a
    /// proxy in front of the services ends TLS.
    pub fn new(scheme: &str, domain: &str, offset: u16) -> Self {
        let moved = |port: u16| port.saturating_add(offset);
        let http = Site::ALL
            .iter()
            .map(|site| (*site, moved(site.default_port())));
        let grpc = Site::ALL
            .iter()
            .filter_map(|s| Some((*s, moved(s.default_grpc_port()?))));
        let mtls = Site::ALL
            .iter()
            .filter_map(|s| Some((*s, moved(s.default_mtls_port()?))));
        Self {
            sites: Sites::default(),
            scheme: scheme.to_owned(),
            has_ports: scheme == "http",
            tls: false,
            domain: domain.to_owned(),
            offset,
            http: http.collect(),
            grpc: grpc.collect(),
            mtls: mtls.collect(),
        }
    }

    /// `https://<site>.domain`, each service at its own port, where it speaks TLS itself.
    pub fn over_tls(domain: &str, offset: u16) -> Self {
        Self {
            has_ports: true,
            tls: true,
            ..Self::new("https", domain, offset)
        }
    }

    /// A site whose public port browsers refuse to open.
    fn site_at_a_bad_port(&self) -> Option<Site> {
        let is_bad = |site: &&Site| self.has_ports && is_bad_port(self.port(**site));
        Site::ALL.iter().find(is_bad).copied()
    }

    /// The same services behind a proxy: browsers see them at port 443.
    #[must_use]
    pub const fn behind_proxy(mut self) -> Self {
        self.has_ports = false;
        self
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

    /// The same addresses, with the mTLS of `site` on another port.
    #[must_use]
    pub fn with_mtls_port(mut self, site: Site, port: u16) -> Self {
        self.mtls.insert(site, port);
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

    /// The mTLS port of `site`, if it has one.
    pub fn mtls_port(&self, site: Site) -> Option<u16> {
        self.mtls.get(&site).copied()
    }

    /// The address of the mTLS port of `site`, without a path. A proxy in front may not end
    /// TLS there.
    pub fn mtls_url(&self, site: Site) -> Option<String> {
        let port = self.mtls_port(site)?;
        Some(format!("https://{}:{port}", self.host(site)))
    }

    /// The host name of `site`.
    pub fn host(&self, site: Site) -> String {
        format!("{}.{}", site.label(), self.domain)
    }

    /// The address that browsers see, without a path.
    pub fn url(&self, site: Site) -> String {
        let (scheme, host) = (&self.scheme, self.host(site));
        if self.has_ports {
            format!("{scheme}://{host}:{}", self.port(site))
        } else {
            format!("{scheme}://{host}")
        }
    }

    /// The scheme that browsers see.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The scheme at the services' own ports: https if they speak TLS.
    pub const fn own_scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// Whether browsers should use nothing but https for these hosts (RFC 6797 §7.2): not on
    /// localhost, where another program may serve the same name without TLS.
    pub fn is_https_only(&self) -> bool {
        self.scheme == "https" && !self.is_localhost()
    }

    /// Whether all sites are on this machine, for its own browsers.
    pub fn is_localhost(&self) -> bool {
        is_localhost(&self.domain)
    }

    /// The address at which services on this machine reach the gRPC of `site`.
    pub fn grpc_url(&self, site: Site) -> Option<String> {
        let (scheme, port) = (self.own_scheme(), self.grpc_port(site)?);
        Some(format!("{scheme}://{}:{port}", self.host(site)))
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
        let mtls = |site| addresses.mtls_url(site);
        assert_eq!(mtls(Site::Idp).unwrap(), "https://idp.localhost:8481");
        assert_eq!(mtls(Site::Api1).unwrap(), "https://api1.localhost:8484");
        assert_eq!(mtls(Site::Api2), None);
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

    fn read(domain: &str, public_scheme: Option<&str>, tls: bool) -> Option<Addresses> {
        read_at("1000", domain, public_scheme, tls)
    }

    fn read_at(
        port_offset: &str,
        domain: &str,
        public_scheme: Option<&str>,
        tls: bool,
    ) -> Option<Addresses> {
        let args = AddressArgs {
            domain: domain.to_owned(),
            public_scheme: public_scheme.map(ToOwned::to_owned),
            tls,
            port_offset: port_offset.to_owned(),
        };
        let mut problems = Problems::new();
        let addresses = args.read(&mut problems);
        assert_eq!(addresses.is_none(), !problems.is_empty());
        addresses
    }

    #[test]
    fn plain_http_is_refused_outside_localhost() {
        assert_eq!(read("example.com", Some("http"), false), None);
        assert_eq!(read("example.com", None, false), None);
        assert!(read("example.com", Some("https"), false).is_some());
        assert!(read("team.localhost", None, false).is_some());
        assert_eq!(read("notlocalhost", Some("http"), false), None);
    }

    #[test]
    fn an_offset_to_a_port_that_browsers_refuse_is_an_error() {
        let lab = Addresses::default().port(Site::Lab);
        let offset = (10_080 - lab).to_string();
        assert_eq!(read_at(&offset, "localhost", None, false), None);
        assert_eq!(read_at(&offset, "localhost", None, true), None);
        let proxied = read_at(&offset, "example.com", Some("https"), true);
        assert_eq!(proxied.unwrap().url(Site::Lab), "https://lab.example.com");
    }

    #[test]
    fn with_tls_each_service_is_https_at_its_own_port_or_behind_a_proxy() {
        let own = read("localhost", None, true).unwrap();
        assert_eq!(own.url(Site::Idp), "https://idp.localhost:9081");
        assert_eq!(
            own.grpc_url(Site::Idp).unwrap(),
            "https://idp.localhost:10081"
        );
        assert_eq!(own.own_scheme(), "https");
        let behind = read("example.com", Some("https"), true).unwrap();
        assert_eq!(behind.url(Site::Idp), "https://idp.example.com");
        assert_eq!(behind.own_scheme(), "https");
        assert_eq!(read("localhost", Some("http"), true), None);
        let ended = read("example.com", Some("https"), false).unwrap();
        assert_eq!(ended.own_scheme(), "http");
    }

    #[test]
    fn rfc6797_7_2_a_domain_of_ones_own_is_https_alone_and_localhost_never() {
        let is = |domain, scheme, tls| read(domain, scheme, tls).unwrap().is_https_only();
        assert!(is("example.com", None, true));
        assert!(is("example.com", Some("https"), false));
        assert!(!is("localhost", None, true));
        assert!(!is("localhost", None, false));
    }
}
