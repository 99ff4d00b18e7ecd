//! The lab's certificate authority.

use super::*;

#[test]
fn many_at_once_agree_on_one_authority_and_it_stays() {
    let home = tempfile::tempdir().unwrap();
    let dir = StateDir::open(Some(home.path().to_owned())).unwrap();
    let load = || Authority::load(&dir, SystemClock.now(), &OsRandom).unwrap();
    let all: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap());
        joined.map(|found| found.pem()).collect()
    });
    let again = load().pem();
    assert!(all.iter().all(|pem| *pem == again));
    assert_eq!(
        fs::read_to_string(home.path().join(CERTIFICATE_FILE)).unwrap(),
        again
    );
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2);
}

#[test]
fn each_has_a_name_of_its_own() {
    let name = |authority: &Authority| {
        let (_, read) = x509_parser::parse_x509_certificate(authority.certificate()).unwrap();
        read.subject().to_string()
    };
    let first = name(&authority());
    assert!(first.starts_with("CN=sso-lab CA "), "{first}");
    assert_ne!(first, name(&authority()));
}

#[test]
fn files_that_do_not_fit_each_other_are_named() {
    let home = tempfile::tempdir().unwrap();
    let dir = StateDir::open(Some(home.path().to_owned())).unwrap();
    let load = || Authority::load(&dir, SystemClock.now(), &OsRandom);
    let path = |name: &str| home.path().join(name);
    load().unwrap();
    fs::write(path(CERTIFICATE_FILE), authority().pem()).unwrap();
    let said = load().unwrap_err().to_string();
    assert_eq!(said, "ca.pem: ca.key is not the key of this certificate");
    let leaf = authority().server(&names(&["a.example"]), SystemClock.now());
    fs::write(path(CERTIFICATE_FILE), leaf.unwrap().certificate_pem()).unwrap();
    let said = load().unwrap_err().to_string();
    assert_eq!(said, "ca.pem: not the certificate of a CA");
    fs::write(path(KEY_FILE), "hello").unwrap();
    assert!(load().unwrap_err().to_string().starts_with("ca.key: "));
}

#[test]
fn rfc5280_4_2_a_clients_certificate_has_its_subject_and_its_names() {
    let all = [
        AlternativeName::Dns("batch.example".to_owned()),
        AlternativeName::Uri("spiffe://sso-lab/batch".to_owned()),
        AlternativeName::Email("batch@example.com".to_owned()),
        AlternativeName::Ip(Ipv4Addr::LOCALHOST.into()),
    ];
    let issued = authority()
        .client("batch", &all, SystemClock.now())
        .unwrap();
    let (_, read) = x509_parser::parse_x509_certificate(&issued.certificate).unwrap();
    assert_eq!(read.subject().to_string(), "CN=batch");
    let found = read.subject_alternative_name().unwrap().unwrap();
    assert_eq!(found.value.general_names.len(), all.len());
    let usage = read.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth);
    assert!(!read.is_ca());
    assert!(read.validity().is_valid());
    let bad = AlternativeName::Dns("bätch.example".to_owned());
    assert!(authority().client("x", &[bad], SystemClock.now()).is_err());
}
