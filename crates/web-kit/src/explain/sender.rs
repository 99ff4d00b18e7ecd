//! The sites at both ends of a redirect, by the names of services and hosts.

use kit::config::Site;

/// The site of `service`.
pub(crate) fn site_of(service: &str) -> Option<Site> {
    let name = service.strip_suffix("-bff").unwrap_or(service);
    Site::ALL.into_iter().find(|site| site.short_name() == name)
}

/// The site of `host`, whose first label is that of the site where the deployment uses its
/// default names.
pub(super) fn site_at(host: &str) -> Option<Site> {
    let label = host.split(['.', ':']).next()?;
    Site::ALL.into_iter().find(|site| site.label() == label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_hosts_name_their_sites() {
        assert_eq!(site_of("app2-bff"), Some(Site::App2));
        assert_eq!(site_of("idp"), Some(Site::Idp));
        assert_eq!(site_of("api-1"), Some(Site::Api1));
        assert_eq!(site_of("another"), None);
        assert_eq!(site_at("app1.localhost:8082"), Some(Site::App1));
        assert_eq!(site_at("127.0.0.1:9999"), None);
    }
}
