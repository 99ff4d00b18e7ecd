//! The sites of a deployment with their addresses, for pages that link to them.

use kit::config::{Addresses, Site};

/// A site with its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteLink {
    /// The site.
    pub site: Site,
    /// The public address, without a path.
    pub url: String,
    /// The address without its scheme, as pages show it.
    pub host: String,
    /// The gRPC port, if the site has one.
    pub grpc_port: Option<u16>,
}

impl SiteLink {
    /// The path of the first page.
    pub const fn way_in(&self) -> &'static str {
        match self.site {
            Site::Api1 => "/docs",
            _ => "",
        }
    }
}

/// The sites that the deployment has, in the order of [`Site::ALL`].
pub fn sites(addresses: &Addresses) -> Vec<SiteLink> {
    let link = |site: Site| {
        let url = addresses.url(site);
        let host = url
            .split_once("://")
            .map_or_else(|| url.clone(), |(_, host)| host.to_owned());
        SiteLink {
            site,
            url,
            host,
            grpc_port: addresses.grpc_port(site),
        }
    };
    let there = Site::ALL.into_iter();
    let there = there.filter(|site| addresses.sites().has(*site));
    there.map(link).collect()
}

#[cfg(test)]
mod tests {
    use kit::config::Sites;

    use super::*;

    #[test]
    fn links_follow_the_addresses_in_the_order_of_the_line() {
        let links = sites(&Addresses::new("http", "localhost", 100));
        assert!(links.iter().map(|link| link.site).eq(Site::ALL));
        let sites = Sites::default().without(Site::Lab).without(Site::Evil);
        let some = super::sites(&Addresses::default().of_sites(sites));
        let lab = |link: &SiteLink| matches!(link.site, Site::Lab | Site::Evil);
        assert!(some.len() == 6 && !some.iter().any(lab));
        assert_eq!(
            (links[1].host.as_str(), links[1].grpc_port),
            ("idp.localhost:8181", Some(9181))
        );
    }
}
