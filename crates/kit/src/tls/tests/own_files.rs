//! Certificate and key files of one's own.

use super::*;

struct Files {
    _home: tempfile::TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

fn files(certificate: &str, key: &str) -> Files {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let (certificate_at, key_at) = (at("tls.crt"), at("tls.key"));
    fs::write(&certificate_at, certificate).unwrap();
    fs::write(&key_at, key).unwrap();
    Files {
        _home: home,
        certificate: certificate_at,
        key: key_at,
    }
}

fn said(files: &Files, now: Timestamp) -> Vec<(Member, String)> {
    let errors = read(&files.certificate, &files.key, now).unwrap_err();
    let short = |what: &str| what.rsplit_once("tls.").unwrap().1.to_owned();
    let of = errors.iter().map(|error| (error.of, short(&error.what)));
    of.collect()
}

fn issued() -> Issued {
    let names = names(&["idp.example.com"]);
    authority().server(&names, SystemClock.now()).unwrap()
}

#[test]
fn a_chain_and_its_key_are_read() {
    let (ca, now) = (authority(), SystemClock.now());
    let one = ca.server(&names(&["idp.example.com"]), now).unwrap();
    let chain = format!("\u{feff}{}{}", one.certificate_pem(), ca.pem());
    let files = files(&chain, &one.key_pem());
    let found = read(&files.certificate, &files.key, now).unwrap();
    assert_eq!(found.cert, [one.certificate, ca.certificate().clone()]);
}

#[test]
fn both_files_errors_are_told_at_once() {
    let all = said(&files("", "hello"), SystemClock.now());
    let expected = [
        (Member::Certificate, "crt: it contains no certificate"),
        (
            Member::Key,
            "key: it contains no private key (PEM, not encrypted)",
        ),
    ];
    assert_eq!(all, expected.map(|(of, what)| (of, what.to_owned())));
    let mut gone = files("", "");
    gone.certificate.push("none");
    gone.key.push("none");
    let errors = read(&gone.certificate, &gone.key, SystemClock.now()).unwrap_err();
    assert_eq!(errors.len(), 2);
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let files = files(&issued().certificate_pem(), &issued().key_pem());
    let [(of, what)] = &said(&files, SystemClock.now())[..] else {
        panic!("one error");
    };
    assert_eq!((*of, what.as_str()), (Member::Key, "crt"));
    let errors = read(&files.certificate, &files.key, SystemClock.now()).unwrap_err();
    assert!(
        errors[0]
            .what
            .contains("not the key of the first certificate in")
    );
}

#[test]
fn a_certificate_that_is_not_valid_now_is_refused() {
    let one = issued();
    let files = files(&one.certificate_pem(), &one.key_pem());
    let now = SystemClock.now();
    let later = said(&files, now + LEAF_LIFETIME + Duration::from_hours(1));
    assert!(later[0].1.starts_with("crt: it expired at "), "{later:?}");
    let earlier = said(&files, now - Duration::from_hours(2));
    assert!(
        earlier[0].1.starts_with("crt: it is not valid before "),
        "{earlier:?}"
    );
}

#[test]
fn a_chain_is_bounded_and_what_is_no_certificate_is_refused() {
    let one = issued();
    let chain = one.certificate_pem().repeat(11);
    let long = said(&files(&chain, &one.key_pem()), SystemClock.now());
    assert_eq!(long[0].1, "crt: it contains more than 10 certificates");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken = said(&files(broken, &one.key_pem()), SystemClock.now());
    assert!(broken[0].1.contains("unusable"), "{broken:?}");
}
