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
