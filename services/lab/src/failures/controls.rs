//! The control endpoints of the services: where the lab reaches each.

use kit::{
    config::{Addresses, Problems, Site},
    lab_control::CONTROLLED,
};

/// The setting that lists them.
const SETTING: &str = "LAB_CONTROLS";

/// Where each service is controlled, in the order of their sites.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controls(Vec<Service>);

/// A service, with the addresses behind which its replicas are: one of each, or a name that
/// has several addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) site: Site,
    urls: Vec<String>,
}

impl Controls {
    /// The services of the deployment, each at the address that `url` returns.
    pub fn at(addresses: &Addresses, url: impl Fn(Site) -> String) -> Self {
        let there = CONTROLLED.into_iter();
        let there = there.filter(|(_, site)| addresses.sites().has(*site));
        let at = |(name, site)| Service {
            name,
            site,
            urls: vec![url(site)],
        };
        Self(there.map(at).collect())
    }

    /// The services of the deployment at their public addresses, or where `list` says:
    /// `service=URL`, separated by commas, many times for the same service.
    pub(crate) fn read(
        list: Option<&str>,
        addresses: &Addresses,
        problems: &mut Problems,
    ) -> Option<Self> {
        let mut all = Self::at(addresses, |site| addresses.url(site));
        let list = list.unwrap_or_default().split(',');
        let listed = list.map(str::trim).filter(|one| !one.is_empty());
        let mut given: Vec<(&str, String)> = Vec::new();
        for one in listed {
            let named = one.split_once('=');
            let named = named.filter(|(name, _)| CONTROLLED.iter().any(|(known, _)| known == name));
            let Some((name, url)) = named else {
                problems.add(SETTING, format_args!("{one:?}: expected service=URL"));
                return None;
            };
            given.push((name, problems.http_url(SETTING, url)?));
        }
        for service in &mut all.0 {
            let own = given.iter().filter(|(name, _)| *name == service.name);
            let own: Vec<_> = own.map(|(_, url)| url.clone()).collect();
            if !own.is_empty() {
                service.urls = own;
            }
        }
        Some(all)
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = &Service> {
        self.0.iter()
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Service> {
        self.services().find(|service| service.name == name)
    }
}

impl Service {
    /// Its site.
    pub(crate) const fn site(&self) -> Site {
        self.site
    }

    /// The addresses behind which its replicas are.
    pub(super) fn urls(&self) -> &[String] {
        &self.urls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str) -> (Option<Controls>, usize) {
        let mut problems = Problems::new();
        let controls = Controls::read(Some(list), &Addresses::default(), &mut problems);
        (controls, problems.lines().len())
    }

    #[test]
    fn services_are_at_their_public_addresses_or_where_the_setting_says() {
        let (controls, problems) = read("");
        let controls = controls.unwrap();
        assert_eq!(problems, 0);
        let urls: Vec<_> = controls
            .services()
            .map(|service| &*service.urls[0])
            .collect();
        assert_eq!(urls[0], "http://idp.localhost:8081");
        assert_eq!(urls.len(), 5);
        let (controls, _) = read("api-2=http://a:1, api-2=http://b:2");
        let controls = controls.unwrap();
        assert_eq!(
            controls.named("api-2").unwrap().urls,
            ["http://a:1", "http://b:2"]
        );
        assert_eq!(
            controls.named("idp").unwrap().urls,
            ["http://idp.localhost:8081"]
        );
        let some = Addresses::default().of_sites("lab,idp,app1".parse().unwrap());
        let some = Controls::read(None, &some, &mut Problems::new()).unwrap();
        assert!(some.named("app1-bff").is_some() && some.named("app2-bff").is_none());
    }

    #[test]
    fn what_names_no_service_or_no_address_is_refused() {
        for wrong in ["idp", "evil=http://a", "idp=nowhere", "=http://a"] {
            let (controls, problems) = read(wrong);
            assert!(controls.is_none() && problems == 1, "{wrong}");
        }
    }
}
