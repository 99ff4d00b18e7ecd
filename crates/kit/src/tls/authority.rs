//! The lab's certificate authority. It is made at the start and lasts as long as the
//! process, or as long as the state directory, where all replicas find it. The directory
//! may be a Secret that is mounted read-only.

use std::{fmt, io, net::IpAddr, sync::Arc, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;

use crate::{clock::Timestamp, pem, random::Random, state_dir::StateDir};

/// The file of the CA's certificate in the state directory (PEM).
pub const CERTIFICATE_FILE: &str = "ca.pem";
/// The file of the CA's key in the state directory (PKCS #8, PEM).
pub const KEY_FILE: &str = "ca.key";
/// How long a certificate that the CA issues is valid. Browsers limit this to 825 days for
/// authorities that a user has added.
pub const LEAF_LIFETIME: Duration = Duration::from_hours(397 * 24);
/// How long the CA's own certificate is valid.
const CA_LIFETIME: Duration = Duration::from_hours(3650 * 24);
/// Certificates begin to be valid earlier, for clients whose clock is slow.
const BACKDATED: Duration = Duration::from_hours(1);
/// The maximum length of a common name (RFC 5280 Appendix A.1, `ub-common-name`).
const MAX_COMMON_NAME: usize = 64;

/// The lab's certificate authority.
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

struct Inner {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate that the CA has issued, and its private key.
#[derive(Debug)]
pub struct Issued {
    /// The certificate, without the CA's.
    pub certificate: CertificateDer<'static>,
    /// Its private key.
    pub key: PrivateKeyDer<'static>,
}

/// A name of a client, beside its subject (RFC 5280 §4.2.1.6). RFC 8705 §2.1.2 lets a
/// client register one of each kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlternativeName {
    /// A DNS name.
    Dns(String),
    /// A URI.
    Uri(String),
    /// An e-mail address.
    Email(String),
    /// An IP address.
    Ip(IpAddr),
}

impl Authority {
    /// A new one, which lasts as long as this process.
    pub fn new(now: Timestamp, random: &dyn Random) -> io::Result<Self> {
        let key = new_key()?;
        let certificate = certificate_of(&key, now, random)?;
        Self::of(certificate, key)
    }

    /// The one in `dir`, made if it does not exist. Processes that start at once get the
    /// same one: they agree on the key first, and then on one certificate for it.
    pub fn load(dir: &StateDir, now: Timestamp, random: &dyn Random) -> io::Result<Self> {
        let key = dir.load_or_create_text(KEY_FILE, || Ok(new_key()?.serialize_pem()))?;
        let key = pem::private_key(key.as_bytes()).map_err(|why| named(KEY_FILE, &why))?;
        let key = KeyPair::try_from(&key).map_err(|why| named(KEY_FILE, &why))?;
        let pem = dir.load_or_create_text(CERTIFICATE_FILE, || {
            let made = certificate_of(&key, now, random)?;
            Ok(pem::encode("CERTIFICATE", &made))
        })?;
        let certificate = first_certificate(&pem, CERTIFICATE_FILE)?;
        Self::of(certificate, key)
    }

    /// The one in `text`: certificate and key (PEM), in any order. An error contains no
    /// part of `text`.
    pub fn in_pem(text: &str) -> io::Result<Self> {
        let key = pem::private_key(text.as_bytes());
        let key = key.map_err(|why| named("the key", &why))?;
        let key = KeyPair::try_from(&key).map_err(|why| named("the key", &why))?;
        let certificate = first_certificate(text, "the certificate")?;
        Self::of(certificate, key)
    }

    /// Its certificate and its private key as PEM.
    pub fn bundle(&self) -> String {
        self.pem() + &self.0.issuer.key().serialize_pem()
    }

    fn of(certificate: CertificateDer<'static>, key: KeyPair) -> io::Result<Self> {
        let (_, read) = x509_parser::parse_x509_certificate(&certificate)
            .map_err(|why| named(CERTIFICATE_FILE, &why))?;
        if !read.is_ca() {
            return Err(named(CERTIFICATE_FILE, &"not the certificate of a CA"));
        }
        if read.public_key().subject_public_key.data != key.public_key_raw() {
            let what = format_args!("{KEY_FILE} is not the key of this certificate");
            return Err(named(CERTIFICATE_FILE, &what));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key);
        let issuer = issuer.map_err(|why| named(CERTIFICATE_FILE, &why))?;
        Ok(Self(Arc::new(Inner {
            certificate,
            issuer,
        })))
    }

    /// The CA's certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.0.certificate
    }

    /// The CA's certificate as PEM.
    pub fn pem(&self) -> String {
        pem::encode("CERTIFICATE", self.certificate())
    }

    /// A certificate for a server with these host names and IP addresses; the first one is
    /// its common name.
    pub fn server(&self, names: &[String], now: Timestamp) -> io::Result<Issued> {
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        let first = names.first().map_or("", String::as_str);
        params.distinguished_name = named_subject(first);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params, now)
    }

    /// A certificate for a client with the subject `CN=<common_name>`.
    pub fn client(
        &self,
        common_name: &str,
        names: &[AlternativeName],
        now: Timestamp,
    ) -> io::Result<Issued> {
        let names: Result<Vec<_>, _> = names.iter().map(AlternativeName::san).collect();
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.map_err(io::Error::other)?;
        params.distinguished_name = named_subject(common_name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params, now)
    }

    fn issue(&self, mut params: CertificateParams, now: Timestamp) -> io::Result<Issued> {
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.not_before = date(now - BACKDATED)?;
        params.not_after = date(now + LEAF_LIFETIME)?;
        let key = new_key()?;
        let signed = params.signed_by(&key, &self.0.issuer);
        let signed = signed.map_err(io::Error::other)?;
        Ok(Issued {
            certificate: signed.der().clone(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Issued {
    /// The certificate as PEM.
    pub fn certificate_pem(&self) -> String {
        pem::encode("CERTIFICATE", &self.certificate)
    }

    /// Certificate and private key as PEM.
    pub fn bundle(&self) -> String {
        self.certificate_pem() + &self.key_pem()
    }

    /// The private key as PEM (PKCS #8).
    pub fn key_pem(&self) -> String {
        pem::encode("PRIVATE KEY", self.key.secret_der())
    }
}

impl AlternativeName {
    fn san(&self) -> Result<SanType, rcgen::Error> {
        Ok(match self {
            Self::Dns(name) => SanType::DnsName(name.as_str().try_into()?),
            Self::Uri(uri) => SanType::URI(uri.as_str().try_into()?),
            Self::Email(address) => SanType::Rfc822Name(address.as_str().try_into()?),
            Self::Ip(address) => SanType::IpAddress(*address),
        })
    }
}

fn new_key() -> io::Result<KeyPair> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(io::Error::other)
}

/// The CA's certificate for `key`. Each CA has a name of its own, so that a browser that
/// trusts several can tell them apart.
fn certificate_of(
    key: &KeyPair,
    now: Timestamp,
    random: &dyn Random,
) -> io::Result<CertificateDer<'static>> {
    let mut params = CertificateParams::default();
    let number = u32::from_be_bytes(random.bytes());
    params.distinguished_name = named_subject(&format!("sso-lab CA {number:08x}"));
    // It issues no other CA.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date(now - BACKDATED)?;
    params.not_after = date(now + CA_LIFETIME)?;
    let signed = params.self_signed(key).map_err(io::Error::other)?;
    Ok(signed.der().clone())
}

/// The subject `CN=<name>`; no common name if it would be too long.
fn named_subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    if (1..=MAX_COMMON_NAME).contains(&name.chars().count()) {
        subject.push(DnType::CommonName, name);
    }
    subject
}

fn date(at: Timestamp) -> io::Result<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(at.secs()).map_err(io::Error::other)
}

/// The first certificate in `text`, which an error calls `name`.
fn first_certificate(text: &str, name: &str) -> io::Result<CertificateDer<'static>> {
    let all = pem::certificates(text.as_bytes()).map_err(|why| named(name, &why))?;
    Ok(all[0].clone())
}

fn named(file: &str, why: &dyn fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{file}: {why}"))
}
