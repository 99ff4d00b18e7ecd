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
mod tests;
