//! A certificate authority of a test, and certificates of TLS clients.

use std::path::Path;

use kit::{
    clock::{Clock as _, SystemClock},
    net::ClientIdentity,
    random::OsRandom,
    state_dir::StateDir,
    tls::Authority,
    x509::thumbprint,
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, SanType,
};

/// A certificate authority.
pub struct TestCa {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A client's certificate with its key.
#[derive(Clone)]
pub struct TestCertificate {
    /// The certificate, as PEM.
    pub certificate: String,
    /// Its key, as PEM (PKCS#8).
    pub key: String,
    /// The certificate, as DER.
    pub der: Vec<u8>,
}

impl TestCertificate {
    /// `x5t#S256` (RFC 8705 §3.1).
    pub fn thumbprint(&self) -> String {
        thumbprint(&self.der)
    }

    /// The same, for calls with it.
    pub fn identity(&self) -> ClientIdentity {
        ClientIdentity::in_pem(&self.certificate, &self.key).unwrap()
    }

    /// A certificate that its own key signed, with the common name `cn`.
    pub fn self_signed(cn: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = client_certificate(cn).self_signed(&key).unwrap();
        Self::of(&certificate, &key)
    }

    /// A certificate that the lab's `ca` issues to the client `name`.
    pub fn of_client(ca: &Authority, name: &str) -> Self {
        let issued = ca.client(name, &[], SystemClock.now()).unwrap();
        Self {
            certificate: issued.certificate_pem(),
            key: issued.key_pem(),
            der: issued.certificate.to_vec(),
        }
    }

    fn of(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
        }
    }
}

/// The lab's CA in the state directory `folder`; a new one if it has none.
pub fn lab_ca(folder: &Path) -> Authority {
    let dir = StateDir::open(Some(folder.to_owned())).unwrap();
    Authority::load(&dir, SystemClock.now(), &OsRandom).unwrap()
}

/// The parameters of a client's certificate with the subject `CN=cn`: for client
/// authentication, from 2020 to 2099.
pub fn client_certificate(cn: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, cn);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2099, 1, 1);
    params
}

impl TestCa {
    /// A new authority.
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "A test's authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// Its certificate, as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate of `params`.
    pub fn issue(&self, params: &CertificateParams) -> TestCertificate {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        TestCertificate::of(&certificate, &key)
    }

    /// A client's certificate with the subject `CN=cn` and the alternative names `names`.
    pub fn client(&self, cn: &str, names: Vec<SanType>) -> TestCertificate {
        let mut params = client_certificate(cn);
        params.subject_alt_names = names;
        self.issue(&params)
    }
}
