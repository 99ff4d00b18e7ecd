//! The services of this deployment with their addresses, for pages that link to
//! them.

use kit::config::{Addresses, Site};

use super::Accent;

/// A service and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteLink {
    /// Whose colour it has.
    pub accent: Accent,
    /// Its public address, without a path.
    pub url: String,
    /// The address without its scheme, for people.
    pub host: String,
    /// The port of its gRPC, where it has one.
    pub grpc_port: Option<u16>,
}

impl SiteLink {
    /// The path to begin at.
    pub const fn way_in(&self) -> &'static str {
        match self.accent {
            Accent::Api1 => "/docs",
            _ => "",
        }
    }
}

/// The services that the deployment has, in the order of the line in every page's band.
pub fn sites(addresses: &Addresses) -> Vec<SiteLink> {
    let link = |site: Site| {
        let url = addresses.url(site);
        let host = url
            .split_once("://")
            .map_or_else(|| url.clone(), |(_, host)| host.to_owned());
        SiteLink {
            accent: site.into(),
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
        assert!(
            links
                .iter()
                .map(|link| link.accent)
                .eq(Accent::LINE.iter().copied())
        );
        let sites = Sites::default().without(Site::Lab).without(Site::Evil);
        let some = super::sites(&Addresses::default().of_sites(sites));
        let lab = |link: &SiteLink| matches!(link.accent, Accent::Lab | Accent::Evil);
        assert!(some.len() == 6 && !some.iter().any(lab));
        assert_eq!(
            (links[1].host.as_str(), links[1].grpc_port),
            ("idp.localhost:8181", Some(9181))
        );
    }
}
