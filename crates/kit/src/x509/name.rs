//! The name that a certificate has to have (RFC 8705 §2.1.2).

use std::{borrow::Cow, net::IpAddr, str::FromStr as _};

use x509_cert::{
    attr::AttributeTypeAndValue,
    der::{Tag, Tagged as _, oid::ObjectIdentifier, oid::db},
    ext::pkix::name::GeneralName,
    name::{Name, RelativeDistinguishedName},
};

/// The most characters of a name.
const MAX_LEN: usize = 1024;

/// The attributes whose values are compared without regard to ASCII case and to repeated
/// spaces (RFC 4519: caseIgnoreMatch, caseIgnoreIA5Match). The values of all others are
/// compared exactly.
const CASE_IGNORED: [ObjectIdentifier; 11] = [
    db::rfc4519::COMMON_NAME,
    db::rfc4519::COUNTRY_NAME,
    db::rfc4519::LOCALITY_NAME,
    db::rfc4519::ST,
    db::rfc4519::STREET,
    db::rfc4519::ORGANIZATION_NAME,
    db::rfc4519::ORGANIZATIONAL_UNIT_NAME,
    db::rfc4519::DOMAIN_COMPONENT,
    db::rfc4519::SERIAL_NUMBER,
    db::rfc4519::UID,
    db::rfc3280::EMAIL_ADDRESS,
];

/// A name that one certificate or several have. Its text forms are those of the client
/// metadata of RFC 8705 §2.1.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedName {
    /// The subject, compared attribute by attribute.
    Subject(Box<Name>),
    /// A `dNSName`, compared without regard to case (RFC 4343).
    Dns(String),
    /// A `uniformResourceIdentifier`, compared as text (RFC 3986 §6.2.1).
    Uri(String),
    /// An `iPAddress`.
    Ip(IpAddr),
    /// An `rfc822Name`: the part after the `@` without regard to case (RFC 5280 §7.5).
    Email(String),
}

impl ExpectedName {
    /// A subject, as text (RFC 4514).
    pub fn subject(text: &str) -> Result<Self, String> {
        let what = "a distinguished name (RFC 4514) is expected, such as CN=batch,O=Example; \
                    `openssl x509 -noout -subject -nameopt RFC2253` prints it";
        let text = bounded(text).filter(|text| is_read_right(text));
        let name = text.and_then(|text| Name::from_str(text).ok());
        name.map(|name| Self::Subject(Box::new(name)))
            .ok_or_else(|| what.to_owned())
    }

    /// A host name, without wildcards.
    pub fn dns(text: &str) -> Result<Self, String> {
        let label = |label: &str| {
            let inside = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            (1..=63).contains(&label.len()) && label.bytes().all(inside)
        };
        let is_name = text.len() <= 253 && text.split('.').all(label);
        let what = || "a host name without wildcards is expected".to_owned();
        is_name.then(|| Self::Dns(text.to_owned())).ok_or_else(what)
    }

    /// A URI.
    pub fn uri(text: &str) -> Result<Self, String> {
        let is_uri = bounded(text).is_some_and(|text| url::Url::parse(text).is_ok());
        let what = || "an absolute URI is expected".to_owned();
        is_uri.then(|| Self::Uri(text.to_owned())).ok_or_else(what)
    }

    /// An IP address (RFC 8705 §2.1.2: a dotted IPv4 address, or an IPv6 address of RFC
    /// 5952).
    pub fn ip(text: &str) -> Result<Self, String> {
        let what = |_| "an IPv4 or IPv6 address is expected".to_owned();
        text.parse().map(Self::Ip).map_err(what)
    }

    /// An e-mail address.
    pub fn email(text: &str) -> Result<Self, String> {
        let parts = bounded(text).and_then(|text| text.rsplit_once('@'));
        let is_address = parts.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty());
        let what = || "an e-mail address is expected".to_owned();
        is_address
            .then(|| Self::Email(text.to_owned()))
            .ok_or_else(what)
    }

    /// Whether it is the `subject`, or one of the `alternative` names.
    pub(super) fn is_in(&self, subject: &Name, alternative: &[GeneralName]) -> bool {
        let any = |is_it: &dyn Fn(&GeneralName) -> bool| alternative.iter().any(is_it);
        match self {
            Self::Subject(name) => is_same_name(name, subject),
            Self::Dns(name) => any(
                &|one| matches!(one, GeneralName::DnsName(own) if own.as_str().eq_ignore_ascii_case(name)),
            ),
            Self::Uri(uri) => any(
                &|one| matches!(one, GeneralName::UniformResourceIdentifier(own) if own.as_str() == uri),
            ),
            Self::Ip(address) => any(
                &|one| matches!(one, GeneralName::IpAddress(own) if is_address(own.as_bytes(), *address)),
            ),
            Self::Email(address) => any(
                &|one| matches!(one, GeneralName::Rfc822Name(own) if is_same_mailbox(own.as_str(), address)),
            ),
        }
    }
}

fn bounded(text: &str) -> Option<&str> {
    let is_bounded = text.len() <= MAX_LEN && !text.contains(char::is_control);
    Some(text).filter(|text| is_bounded && !text.is_empty())
}

/// Whether the library reads `text` as RFC 4514 §3 does. Each escape is complete: the library
/// would drop the rest of one. And no separator is escaped after an escaped backslash: the
/// library would split there, so that `CN=a\\\+C=b` became two attributes. Such a name can be
/// written in hex (`\5c\2b`).
fn is_read_right(text: &str) -> bool {
    let mut rest = text.as_bytes();
    let mut after_backslash = false;
    while let [first, tail @ ..] = rest {
        (rest, after_backslash) = match (first, tail) {
            (b'\\', [b',' | b'+', ..]) if after_backslash => return false,
            (b'\\', [special, tail @ ..]) if b" \"#=\\+,;<>".contains(special) => {
                (tail, *special == b'\\')
            }
            (b'\\', [high, low, tail @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (tail, false)
            }
            (b'\\', _) => return false,
            _ => (tail, false),
        };
    }
    true
}

/// X.501 distinguishedNameMatch: the same sequence of sets of attributes.
fn is_same_name(left: &Name, right: &Name) -> bool {
    let mut pairs = left.iter_rdn().zip(right.iter_rdn());
    left.len() == right.len() && pairs.all(|(left, right)| is_same_set(left, right))
}

fn is_same_set(left: &RelativeDistinguishedName, right: &RelativeDistinguishedName) -> bool {
    let is_in = |attribute, set: &RelativeDistinguishedName| {
        set.iter().any(|other| is_same_attribute(attribute, other))
    };
    left.len() == right.len()
        && left.iter().all(|one| is_in(one, right))
        && right.iter().all(|one| is_in(one, left))
}

fn is_same_attribute(left: &AttributeTypeAndValue, right: &AttributeTypeAndValue) -> bool {
    if left.oid != right.oid {
        return false;
    }
    match (text_of(left), text_of(right)) {
        (Some(left_text), Some(right_text)) if CASE_IGNORED.contains(&left.oid) => {
            folded(left_text) == folded(right_text)
        }
        (Some(left_text), Some(right_text)) => left_text == right_text,
        _ => left.value == right.value,
    }
}

/// The value, if it is of a string type whose bytes are UTF-8.
fn text_of(attribute: &AttributeTypeAndValue) -> Option<&str> {
    let value = &attribute.value;
    let is_text = matches!(
        value.tag(),
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String
    );
    std::str::from_utf8(value.value()).ok().filter(|_| is_text)
}

/// RFC 4518, as far as ASCII goes: case and insignificant spaces. Other characters are
/// compared as they are.
fn folded(text: &str) -> Cow<'_, str> {
    let text = text.trim_matches(' ');
    let is_folded = |b: u8| !b.is_ascii_uppercase();
    if !text.contains("  ") && text.bytes().all(is_folded) {
        return Cow::Borrowed(text);
    }
    let words = text.split(' ').filter(|word| !word.is_empty());
    Cow::Owned(words.collect::<Vec<_>>().join(" ").to_ascii_lowercase())
}

/// RFC 5280 §4.2.1.6: four or sixteen octets.
fn is_address(octets: &[u8], address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => octets == address.octets(),
        IpAddr::V6(address) => octets == address.octets(),
    }
}

fn is_same_mailbox(left: &str, right: &str) -> bool {
    let (Some((left, at)), Some((right, right_at))) =
        (left.rsplit_once('@'), right.rsplit_once('@'))
    else {
        return false;
    };
    left == right && at.eq_ignore_ascii_case(right_at)
}

#[cfg(test)]
mod tests {
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
}
