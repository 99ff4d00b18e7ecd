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
#[path = "name_tests.rs"]
mod tests;
