//! The certificate with which this process authenticates to servers that ask for one.

use std::{fmt, sync::Arc};

use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::{CertifiedKey, SingleCertAndKey},
};

use crate::{certified_key::certified_key, pem};

/// A client's certificate, its chain, and its private key. Its `Debug` shows no key.
#[derive(Clone)]
pub struct ClientIdentity(Arc<CertifiedKey>);

impl ClientIdentity {
    /// The certificate and its chain in `certificate` (PEM, its own first) and its private
    /// key in `key` (PEM, not encrypted). Both texts may be the same. An error contains no
    /// part of them.
    pub fn in_pem(certificate: &str, key: &str) -> Result<Self, String> {
        let chain = pem::certificates(certificate.as_bytes());
        let chain = chain.map_err(|why| format!("the certificate: {why}"))?;
        let key = pem::private_key(key.as_bytes());
        let key = key.map_err(|why| format!("the private key: {why}"))?;
        Self::new(chain, key)
    }

    /// The certificates `chain`, the client's own first, and its `key`.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, String> {
        let own = certified_key(chain, key);
        let own = own.map_err(|why| format!("certificate and key do not fit: {why}"))?;
        Ok(Self(own))
    }

    /// The client's own certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.0.cert[0]
    }

    /// Presents the certificate to every server that asks for one.
    pub(super) fn resolver(&self) -> Arc<SingleCertAndKey> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.0)))
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity").finish_non_exhaustive()
    }
}

impl PartialEq for ClientIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.0.cert == other.0.cert
    }
}

impl Eq for ClientIdentity {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{Clock as _, SystemClock},
        net::Trust,
        random::OsRandom,
        tls::Authority,
        x509::Authorities,
    };

    #[test]
    fn certificate_and_key_have_to_fit_and_no_error_shows_the_key() {
        let now = SystemClock.now();
        let lab = Authority::new(now, &OsRandom).unwrap();
        let [a, b] = ["a", "b"].map(|name| lab.client(name, &[], now).unwrap());
        let (certificate, key) = (a.certificate_pem(), a.key_pem());
        let own = ClientIdentity::in_pem(&certificate, &key).unwrap();
        assert_eq!(own.certificate(), &a.certificate);
        let both = certificate.clone() + &key;
        assert_eq!(ClientIdentity::in_pem(&both, &both), Ok(own));
        for (certificate, key) in [
            (certificate.as_str(), b.key_pem()),
            ("hello", key.clone()),
            (&certificate, certificate.clone()),
        ] {
            let error = ClientIdentity::in_pem(certificate, &key).unwrap_err();
            let secret = key.lines().nth(1).unwrap();
            assert!(!error.contains(secret), "{error}");
        }
    }

    #[test]
    fn fuzz_pem_files() {
        let now = SystemClock.now();
        let lab = Authority::new(now, &OsRandom).unwrap();
        let issued = lab.client("a", &[], now).unwrap();
        let secret = issued.key_pem();
        let secret = secret.lines().nth(1).unwrap();
        let seeds = [issued.bundle(), lab.bundle(), lab.pem(), issued.key_pem()];
        fuzz::run(&seeds, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            let errors = [
                ClientIdentity::in_pem(&text, &text).err(),
                Authority::in_pem(&text)
                    .err()
                    .map(|error| error.to_string()),
                Trust::in_pem(bytes).err(),
                Authorities::in_pem(bytes).err(),
            ];
            for error in errors.into_iter().flatten() {
                assert!(!error.contains(secret) && error.len() < 1000, "{error}");
            }
        });
    }
}
