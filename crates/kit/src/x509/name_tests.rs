use rcgen::{CertificateParams, DnType, DnValue, SanType};

use super::{
    super::{
        Certificate,
        tests::{Ca, client},
    },
    *,
};

fn read(params: &CertificateParams) -> Certificate {
    Certificate::read(&Ca::new().issue(params)).unwrap()
}

fn subject(text: &str) -> ExpectedName {
    ExpectedName::subject(text).unwrap()
}

#[test]
fn rfc4514_2_1_the_subject_is_written_from_its_end_and_compared_as_a_sequence() {
    let certificate = read(&client("batch", Vec::new()));
    assert_eq!(certificate.subject(), "CN=batch,O=Lab");
    for (text, is_it) in [
        ("CN=batch,O=Lab", true),
        ("cn=BATCH,o=lab", true),
        ("2.5.4.3=batch,2.5.4.10=Lab", true),
        ("CN=#0c056261746368,O=Lab", true),
        ("CN=\\62atch,O=\\20 Lab\\20", true),
        ("O=Lab,CN=batch", false),
        ("CN=batch", false),
        ("CN=batch+O=Lab", false),
        ("CN=batch,O=Lab,C=DE", false),
        ("OU=batch,O=Lab", false),
        ("CN=batch2,O=Lab", false),
    ] {
        assert_eq!(certificate.has(&subject(text)), is_it, "{text}");
    }
}

#[test]
fn rfc4518_2_the_type_of_a_string_does_not_matter_nor_do_repeated_spaces() {
    let mut params = client("x", Vec::new());
    let mut name = rcgen::DistinguishedName::new();
    let printable = "The  Batch".try_into().unwrap();
    name.push(DnType::CommonName, DnValue::PrintableString(printable));
    params.distinguished_name = name;
    let certificate = read(&params);
    assert!(certificate.has(&subject("CN=the batch")));
    assert!(!certificate.has(&subject("CN=thebatch")));
    let mut name = rcgen::DistinguishedName::new();
    name.push(DnType::CommonName, "Zo\u{eb}");
    params.distinguished_name = name;
    let certificate = read(&params);
    assert!(certificate.has(&subject("CN=zo\u{eb}")));
    assert!(certificate.has(&subject("CN=Zo\\C3\\AB")));
    // Beyond ASCII, characters are compared as they are.
    assert!(!certificate.has(&subject("CN=ZO\u{cb}")));
}

#[test]
fn rfc4514_3_what_is_no_distinguished_name_is_refused() {
    let long = format!("CN={}", "x".repeat(MAX_LEN));
    for wrong in [
        "",
        "batch",
        "CN",
        "NOPE=x",
        "CN=a,,O=b",
        "CN=a\\zz",
        "CN=a\n",
        &long,
    ] {
        let error = ExpectedName::subject(wrong).unwrap_err();
        assert!(error.contains("RFC 4514"), "{wrong:?}: {error}");
    }
}

type Parse = fn(&str) -> Result<ExpectedName, String>;

#[test]
fn rfc8705_2_1_2_each_kind_of_alternative_name_is_found_among_its_own() {
    let ia5 = |text: &str| text.try_into().unwrap();
    let certificate = read(&client(
        "batch.example",
        vec![
            SanType::DnsName(ia5("Batch.example")),
            SanType::DnsName(ia5("*.wild.example")),
            SanType::URI(ia5("urn:batch")),
            SanType::IpAddress("192.0.2.1".parse().unwrap()),
            SanType::IpAddress("2001:db8::1".parse().unwrap()),
            SanType::Rfc822Name(ia5("Batch@Example.org")),
        ],
    ));
    for (parse, text, is_it) in [
        (ExpectedName::dns as Parse, "batch.EXAMPLE", true),
        (ExpectedName::dns, "other.example", false),
        (ExpectedName::dns, "a.wild.example", false),
        (ExpectedName::uri, "urn:batch", true),
        (ExpectedName::uri, "urn:BATCH", false),
        (ExpectedName::ip, "192.0.2.1", true),
        (ExpectedName::ip, "2001:DB8:0::1", true),
        (ExpectedName::ip, "192.0.2.2", false),
        (ExpectedName::ip, "::ffff:192.0.2.1", false),
        (ExpectedName::email, "Batch@EXAMPLE.org", true),
        (ExpectedName::email, "batch@example.org", false),
    ] {
        let expected = parse(text).unwrap();
        assert_eq!(certificate.has(&expected), is_it, "{text}");
    }
    // The same text as another kind of name is another name.
    let uri = read(&client("a", vec![SanType::URI(ia5("x.example"))]));
    assert!(!uri.has(&ExpectedName::dns("x.example").unwrap()));
    assert!(!certificate.has(&ExpectedName::dns("batch").unwrap()));
}

#[test]
fn what_is_no_name_of_its_kind_is_refused() {
    for wrong in ["", "*.example", "a..b", "a b", &"x".repeat(64)] {
        assert!(ExpectedName::dns(wrong).is_err(), "{wrong:?}");
    }
    for wrong in ["", "batch", "//x", "http://x\n"] {
        assert!(ExpectedName::uri(wrong).is_err(), "{wrong:?}");
    }
    for wrong in ["", "1.2.3", "1.2.3.4/8", "[::1]"] {
        assert!(ExpectedName::ip(wrong).is_err(), "{wrong:?}");
    }
    for wrong in ["", "batch", "@x", "x@"] {
        assert!(ExpectedName::email(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn fuzz_distinguished_names() {
    let seeds = [
        "CN=batch,O=Lab",
        "2.5.4.3=batch+OU=Night\\, shift,O=\\20 Lab\\20",
        "CN=#0c056261746368,DC=example,DC=org",
        "emailAddress=a@b,UID=7,C=DE",
    ];
    fuzz::run_text(&seeds, |text| {
        let Ok(ExpectedName::Subject(name)) = ExpectedName::subject(text) else {
            return;
        };
        // A name is itself, whatever its attributes.
        assert!(is_same_name(&name, &name), "{name}");
        // What it prints is read as the same name, or refused: never as another one.
        if let Ok(ExpectedName::Subject(again)) = ExpectedName::subject(&name.to_string()) {
            assert!(is_same_name(&name, &again), "{name}");
        }
    });
}

#[test]
fn rfc4514_3_an_escape_is_complete_and_never_read_as_a_separator() {
    for text in [
        "CN=a\\",
        "CN=a\\4",
        "CN=a\\4,O=Lab",
        "CN=a\\x",
        "CN=a\\\\\\+C=b",
        "CN=a\\\\\\,O=Lab",
    ] {
        assert!(ExpectedName::subject(text).is_err(), "{text}");
    }
    let cn = "a\\+C=b";
    let certificate = read(&client(cn, Vec::new()));
    let in_hex = ExpectedName::subject("CN=a\\5c\\2bC=b,O=Lab").unwrap();
    assert!(certificate.has(&in_hex), "{}", certificate.subject());
    let split = ExpectedName::subject("CN=a\\\\+C=b,O=Lab").unwrap();
    assert!(!certificate.has(&split));
}

#[test]
fn fuzz_common_names() {
    // A key is made once: it costs more than all else.
    let ca = Ca::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let seeds = ["batch", " a  b ", "a\\,b\\+c=\"d\"", "\u{eb}#;<>"];
    fuzz::run_text(&seeds, |cn| {
        let der = ca.sign(&client(cn, Vec::new()), &key);
        let Ok(certificate) = Certificate::read(&der) else {
            return;
        };
        // The library refuses what it reads ambiguously: it never finds another name.
        let printed = certificate.subject();
        if let Ok(expected) = ExpectedName::subject(&printed) {
            assert!(certificate.has(&expected), "{printed}");
        }
    });
}

#[test]
fn fuzz_alternative_names() {
    let seeds = [
        "batch.example",
        "urn:batch",
        "192.0.2.1",
        "::1",
        "a@b.example",
    ];
    fuzz::run_text(&seeds, |text| {
        if let Ok(ExpectedName::Dns(name)) = ExpectedName::dns(text) {
            assert!(!name.contains(['*', '/', '@', ' ']) && name.len() <= 253);
        }
        if let Ok(ExpectedName::Ip(address)) = ExpectedName::ip(text) {
            let octets: Vec<u8> = match address {
                IpAddr::V4(address) => address.octets().into(),
                IpAddr::V6(address) => address.octets().into(),
            };
            assert!(is_address(&octets, address) && !is_address(&octets[1..], address));
        }
        if let Ok(ExpectedName::Email(address)) = ExpectedName::email(text) {
            assert!(is_same_mailbox(&address, &address));
        }
        if let Ok(ExpectedName::Uri(uri)) = ExpectedName::uri(text) {
            assert!(uri.contains(':') && uri.len() <= MAX_LEN);
        }
    });
}
