//! X.509 certificates of TLS peers (RFC 5280): what a certificate says of its owner
//! ([`Certificate`]), whether it has an expected name ([`ExpectedName`]), and whether an
//! authority vouches for it ([`Authorities`]).

mod authorities;
mod name;

pub use authorities::Authorities;
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
pub use name::ExpectedName;
use x509_cert::{
    der::Decode as _,
    ext::pkix::{SubjectAltName, name::GeneralName},
    name::Name,
};

use crate::clock::Timestamp;

/// The thumbprint of the certificate `der`: SHA-256 in base64url (RFC 8705 §3.1,
/// `x5t#S256`).
pub fn thumbprint(der: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, der))
}

/// Why a certificate is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// It is not DER of RFC 5280.
    #[error("the certificate cannot be read (RFC 5280)")]
    Unreadable,
    /// It has ended.
    #[error("the certificate has expired")]
    Expired,
    /// It has not begun.
    #[error("the certificate is not valid yet")]
    NotYet,
    /// No configured authority has issued it.
    #[error("the certificate is from no certificate authority that is trusted here")]
    UnknownIssuer,
    /// Its extended key usage excludes client authentication.
    #[error("the certificate is not for client authentication (extended key usage)")]
    Purpose,
    /// Its basic constraints say that it is an authority's own.
    #[error("the certificate is one of a certificate authority (CA:TRUE), not of a client")]
    Authority,
    /// Anything else, in the words of the TLS library.
    #[error("the certificate is not acceptable: {0}")]
    Other(String),
}

/// What a certificate says of its owner, and how long it is valid. Nothing of it is
/// verified.
#[derive(Clone, Debug)]
pub struct Certificate {
    subject: Name,
    issuer: Name,
    alternative: Vec<GeneralName>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Certificate {
    /// Reads the certificate `der`.
    pub fn read(der: &[u8]) -> Result<Self, BadCertificate> {
        let read = x509_cert::Certificate::from_der(der);
        let read = read.map_err(|_| BadCertificate::Unreadable)?;
        let read = read.tbs_certificate();
        let alternative = read.get_extension::<SubjectAltName>();
        let alternative = alternative.map_err(|_| BadCertificate::Unreadable)?;
        let validity = read.validity();
        let secs = |time: x509_cert::time::Time| {
            let secs = time.to_unix_duration().as_secs();
            Timestamp::from_secs(i64::try_from(secs).unwrap_or(i64::MAX))
        };
        Ok(Self {
            subject: read.subject().clone(),
            issuer: read.issuer().clone(),
            alternative: alternative.map_or_else(Vec::new, |(_, names)| names.0),
            not_before: secs(validity.not_before),
            not_after: secs(validity.not_after),
        })
    }

    /// Whether it is valid at `now` (RFC 5280 §4.1.2.5: both ends included).
    pub fn check_validity(&self, now: Timestamp) -> Result<(), BadCertificate> {
        if now.secs() < self.not_before.secs() {
            Err(BadCertificate::NotYet)
        } else if now.secs() > self.not_after.secs() {
            Err(BadCertificate::Expired)
        } else {
            Ok(())
        }
    }

    /// Whether its owner has the name `expected`.
    pub fn has(&self, expected: &ExpectedName) -> bool {
        expected.is_in(&self.subject, &self.alternative)
    }

    /// Whether its issuer is its owner (RFC 5280 §3.2), as in a self-signed one.
    pub fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// The subject, as text (RFC 4514).
    pub fn subject(&self) -> String {
        self.subject.to_string()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
        KeyPair, SanType,
    };

    use super::*;

    /// An authority, with its certificate as PEM.
    pub(crate) struct Ca {
        pub(crate) pem: String,
        issuer: Issuer<'static, KeyPair>,
    }

    impl Ca {
        pub(crate) fn new() -> Self {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let pem = params.self_signed(&key).unwrap().pem();
            Self {
                pem,
                issuer: Issuer::new(params, key),
            }
        }

        /// A certificate of `params`.
        pub(crate) fn issue(&self, params: &CertificateParams) -> Vec<u8> {
            self.sign(params, &KeyPair::generate().unwrap())
        }

        /// The same for `key`.
        pub(crate) fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Vec<u8> {
            let certificate = params.signed_by(key, &self.issuer).unwrap();
            certificate.der().to_vec()
        }
    }

    /// A client's certificate with the name `CN=cn,O=Lab`, from 2026 to 2027.
    pub(crate) fn client(cn: &str, names: Vec<SanType>) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Lab");
        params.distinguished_name.push(DnType::CommonName, cn);
        params.subject_alt_names = names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        params
    }

    /// A moment at which it is valid.
    pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    #[test]
    fn rfc8705_3_1_a_thumbprint_is_the_sha256_of_the_der() {
        // The certificate and the thumbprint of RFC 8705, appendix A.
        let der = "MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAxODEyMzcwOV\
                   oXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqGSM49AgEGCCqGSM49AwEH\
                   A0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ/Au08/coZwxS7LfA4vOLS9WuneIXhb\
                   GGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwIDSQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQE\
                   KTWUVeORWz83AiEA5x2eXZOVbUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=";
        let der = base64::engine::general_purpose::STANDARD
            .decode(der)
            .unwrap();
        assert_eq!(
            thumbprint(&der),
            "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"
        );
        let read = Certificate::read(&der).unwrap();
        assert_eq!(read.subject(), "CN=mtls");
        assert_eq!(read.check_validity(NOW), Err(BadCertificate::Expired));
    }

    #[test]
    fn rfc5280_4_1_2_5_both_ends_of_the_validity_are_included() {
        let der = Ca::new().issue(&client("a", Vec::new()));
        let read = Certificate::read(&der).unwrap();
        let (first, last) = (1_767_225_600, 1_798_761_600);
        for (at, is_valid) in [
            (first - 1, Err(BadCertificate::NotYet)),
            (first, Ok(())),
            (last, Ok(())),
            (last + 1, Err(BadCertificate::Expired)),
        ] {
            assert_eq!(read.check_validity(Timestamp::from_secs(at)), is_valid);
        }
    }

    #[test]
    fn fuzz_certificates_of_clients() {
        let ia5 = |text: &str| text.try_into().unwrap();
        let names = vec![
            SanType::DnsName(ia5("batch.example")),
            SanType::URI(ia5("urn:batch")),
            SanType::IpAddress("2001:db8::1".parse().unwrap()),
            SanType::Rfc822Name(ia5("batch@example.org")),
        ];
        let ca = Ca::new();
        let [full, bare] = [names, Vec::new()].map(|names| ca.issue(&client("batch", names)));
        let expected = [
            ExpectedName::subject("CN=batch,O=Lab"),
            ExpectedName::dns("batch.example"),
            ExpectedName::uri("urn:batch"),
            ExpectedName::ip("2001:db8::1"),
            ExpectedName::email("batch@example.org"),
        ]
        .map(Result::unwrap);
        let authorities = Authorities::in_pem(ca.pem.as_bytes()).unwrap();
        fuzz::run(&[full.clone(), bare.clone()], |der| {
            let Ok(read) = Certificate::read(der) else {
                return;
            };
            let subject = read.subject();
            let is_named = expected.each_ref().map(|name| read.has(name));
            assert!(!is_named[0] || !subject.is_empty());
            let _ = read.check_validity(NOW);
            // A changed certificate is nobody's.
            if authorities.check(&der.into(), &[], NOW).is_ok() {
                assert!(der == full || der == bare);
                assert!(is_named[0]);
            }
        });
    }

    #[test]
    fn what_is_no_certificate_is_unreadable() {
        let der = Ca::new().issue(&client("a", Vec::new()));
        for wrong in [&[][..], b"hello", &der[..der.len() - 1]] {
            let read = Certificate::read(wrong).err();
            assert_eq!(read, Some(BadCertificate::Unreadable));
        }
    }
}
