//! Where everything is, and what of it a deployment has: the one home of host
//! names and ports.

use std::{collections::BTreeMap, str::FromStr};

/// A service with a host name of its own, a site of its own for the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// The start page, later the trainer's console.
    Lab,
    /// The OpenID Provider; its second port speaks gRPC.
    Idp,
    /// The first app.
    App1,
    /// The second app.
    App2,
    /// Orders.
    Api1,
    /// Inventory; its second port speaks gRPC.
    Api2,
    /// The single-page app: a public client of the provider.
    Spa,
    /// The attacker's site.
    Evil,
}

impl Site {
    /// All of them, in the order of their ports.
    pub const ALL: [Self; 8] = [
        Self::Lab,
        Self::Idp,
        Self::App1,
        Self::App2,
        Self::Api1,
        Self::Api2,
        Self::Spa,
        Self::Evil,
    ];

    /// The first label of its host name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Lab => "lab",
            Self::Idp => "idp",
            Self::App1 => "app1",
            Self::App2 => "app2",
            Self::Api1 => "api1",
            Self::Api2 => "api2",
            Self::Spa => "spa",
            Self::Evil => "evil",
        }
    }

    /// How far its port is from `other`'s.
    pub(crate) const fn distance(self, other: Self) -> u16 {
        self.default_port().saturating_sub(other.default_port())
    }

    const fn default_port(self) -> u16 {
        8080 + self as u16
    }

    const fn default_grpc_port(self) -> Option<u16> {
        match self {
            Self::Idp => Some(9081),
            Self::Api2 => Some(9085),
            _ => None,
        }
    }
}

/// The sites that a deployment has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sites(u8);

impl Sites {
    /// Whether `site` is one of them.
    pub const fn has(self, site: Site) -> bool {
        self.0 & (1 << site as u8) != 0
    }

    /// These and `site`.
    #[must_use]
    pub const fn and(self, site: Site) -> Self {
        Self(self.0 | (1 << site as u8))
    }

    /// These without `site`.
    #[must_use]
    pub const fn without(self, site: Site) -> Self {
        Self(self.0 & !(1 << site as u8))
    }
}

impl Default for Sites {
    /// All of them.
    fn default() -> Self {
        Self(u8::MAX)
    }
}

impl FromStr for Sites {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut sites = Self(0);
        for label in text.split(',').map(str::trim) {
            let site = Site::ALL.into_iter().find(|site| site.label() == label);
            let known = || format!("{label:?} is none of {}", Self::LABELS);
            sites = sites.and(site.ok_or_else(known)?);
        }
        Ok(sites)
    }
}

impl Sites {
    /// The labels of all, as they are written.
    pub const LABELS: &'static str = "lab,idp,app1,app2,api1,api2,spa,evil";
}

/// Every site's public address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    sites: Sites,
    scheme: String,
    domain: String,
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
            http: http.collect(),
            grpc: grpc.collect(),
        }
    }

    /// The same of a deployment that has these sites alone.
    #[must_use]
    pub const fn of_sites(mut self, sites: Sites) -> Self {
        self.sites = sites;
        self
    }

    /// The sites that the deployment has.
    pub const fn sites(&self) -> Sites {
        self.sites
    }

    /// The address of `site`, where the deployment has it: for a link.
    pub fn link(&self, site: Site) -> Option<String> {
        self.sites.has(site).then(|| self.url(site))
    }

    /// The same with `site` on another HTTP port.
    #[must_use]
    pub fn with_port(mut self, site: Site, port: u16) -> Self {
        self.http.insert(site, port);
        self
    }

    /// The same with `site`'s gRPC on another port.
    #[must_use]
    pub fn with_grpc_port(mut self, site: Site, port: u16) -> Self {
        self.grpc.insert(site, port);
        self
    }

    /// The port that `site` listens on.
    pub fn port(&self, site: Site) -> u16 {
        self.http[&site]
    }

    /// The port that `site`'s gRPC listens on, where it has one.
    pub fn grpc_port(&self, site: Site) -> Option<u16> {
        self.grpc.get(&site).copied()
    }

    /// What browsers see, without a path. Under https the port is the scheme's
    /// own: TLS ends in front of us.
    pub fn url(&self, site: Site) -> String {
        let (scheme, domain) = (&self.scheme, &self.domain);
        let label = site.label();
        if scheme == "https" {
            format!("{scheme}://{label}.{domain}")
        } else {
            format!("{scheme}://{label}.{domain}:{}", self.port(site))
        }
    }

    /// Whether all of them are on this machine, for this machine's browsers.
    pub fn is_localhost(&self) -> bool {
        crate::net::is_localhost(&self.domain)
    }

    /// Where peers on this machine reach `site`'s gRPC.
    pub fn grpc_url(&self, site: Site) -> Option<String> {
        let port = self.grpc_port(site)?;
        Some(format!("http://{}.{}:{port}", site.label(), self.domain))
    }

    /// Puts the addresses into a text: `${app1}` becomes app1's.
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
        assert_eq!(Sites::LABELS.parse(), Ok(Sites::default()));
        for site in Site::ALL {
            assert!(Sites::default().has(site) && !Sites::default().without(site).has(site));
        }
        for wrong in ["", "idp,", "idp app1", "IDP", "all"] {
            assert!(wrong.parse::<Sites>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn under_https_there_is_no_port() {
        let addresses = Addresses::new("https", "example.com", 0);
        assert_eq!(addresses.url(Site::Idp), "https://idp.example.com");
    }
}
