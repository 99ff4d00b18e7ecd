//! Certificate authorities that vouch for clients.

use std::{fmt, sync::Arc, time::Duration};

use rustls::{
    CertificateError, Error, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, UnixTime},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{BadCertificate, Certificate};
use crate::{clock::Timestamp, pem, tls::PeerCertificates};

/// The certificate authorities whose clients are known.
#[derive(Clone)]
pub struct Authorities(Arc<dyn ClientCertVerifier>);

impl Authorities {
    /// The certificates in `text` (PEM): at least one, each usable as a root.
    pub fn in_pem(text: &[u8]) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(pem::authorities(text)?);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        verifier.build().map(Self).map_err(|why| why.to_string())
    }

    /// The certificate of `peer`, if they vouch for it at `now`: its names are those of the
    /// client.
    pub fn identify(
        &self,
        peer: &PeerCertificates,
        now: Timestamp,
    ) -> Result<Certificate, BadCertificate> {
        self.check(peer.own(), peer.intermediates(), now)?;
        Certificate::read(peer.own())
    }

    /// Whether `own` leads to one of them at `now`, by the `intermediates` where they are
    /// needed, and is for client authentication (RFC 5280 §6, §4.2.1.12). The TLS handshake
    /// has proved that its owner sent it.
    pub fn check(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: Timestamp,
    ) -> Result<(), BadCertificate> {
        let now = Duration::from_secs(u64::try_from(now.secs()).unwrap_or(0));
        let now = UnixTime::since_unix_epoch(now);
        let verified = self.0.verify_client_cert(own, intermediates, now);
        verified.map(drop).map_err(|error| refusal(own, &error))
    }
}

/// Why `own` is refused.
fn refusal(own: &CertificateDer<'_>, error: &Error) -> BadCertificate {
    let Error::InvalidCertificate(why) = error else {
        return BadCertificate::Other(error.to_string());
    };
    match why {
        CertificateError::BadEncoding => BadCertificate::Unreadable,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            BadCertificate::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            BadCertificate::NotYet
        }
        // A certificate that copies an authority's name has a signature of somebody else.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            BadCertificate::UnknownIssuer
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            BadCertificate::Purpose
        }
        // The TLS library has a code of its own for it, and no words.
        _ if is_authority(own) => BadCertificate::Authority,
        // The path validation's own name for it, without those of the types around it.
        CertificateError::Other(why) => BadCertificate::Other(why.to_string()),
        other => BadCertificate::Other(other.to_string()),
    }
}

fn is_authority(own: &CertificateDer<'_>) -> bool {
    x509_parser::parse_x509_certificate(own).is_ok_and(|(_, read)| read.is_ca())
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authorities").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

    use super::{
        super::tests::{Ca, NOW, client},
        *,
    };

    fn check(ca: &Ca, chain: &[Vec<u8>], now: Timestamp) -> Result<(), BadCertificate> {
        let chain: Vec<_> = chain.iter().map(|der| der.clone().into()).collect();
        let (own, intermediates) = chain.split_first().unwrap();
        let authorities = Authorities::in_pem(ca.pem.as_bytes()).unwrap();
        authorities.check(own, intermediates, now)
    }

    #[test]
    fn rfc8705_2_1_a_certificate_of_the_authority_is_accepted_while_it_is_valid() {
        let ca = Ca::new();
        let chain = [ca.issue(&client("a", Vec::new()))];
        assert_eq!(check(&ca, &chain, NOW), Ok(()));
        let year = Duration::from_secs(366 * 86_400);
        let (early, late) = (NOW - year, NOW + year);
        assert_eq!(check(&ca, &chain, early), Err(BadCertificate::NotYet));
        assert_eq!(check(&ca, &chain, late), Err(BadCertificate::Expired));
        let unreadable = check(&ca, &[b"hello".to_vec()], NOW);
        assert_eq!(unreadable, Err(BadCertificate::Unreadable));
    }

    #[test]
    fn rfc8705_7_4_a_certificate_of_another_authority_is_refused_also_with_the_same_names() {
        let ca = Ca::new();
        let other = Ca::new();
        let chain = [other.issue(&client("a", Vec::new()))];
        let refused = Err(BadCertificate::UnknownIssuer);
        assert_eq!(check(&ca, &chain, NOW), refused);
        let key = KeyPair::generate().unwrap();
        let own = client("a", Vec::new()).self_signed(&key).unwrap();
        let refused = check(&ca, &[own.der().to_vec()], NOW);
        assert!(refused.is_err(), "self-signed");
    }

    #[test]
    fn rfc5280_4_2_1_12_a_servers_certificate_is_for_no_client() {
        let ca = Ca::new();
        let mut params = client("a", Vec::new());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let chain = [ca.issue(&params)];
        assert_eq!(check(&ca, &chain, NOW), Err(BadCertificate::Purpose));
    }

    #[test]
    fn rfc5280_6_intermediates_that_the_client_sends_complete_the_chain() {
        let ca = Ca::new();
        let mut between = client("between", Vec::new());
        between.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        between.extended_key_usages = Vec::new();
        let key = KeyPair::generate().unwrap();
        let signed = ca.sign(&between, &key);
        let issuer = Issuer::new(between, key);
        let own = KeyPair::generate().unwrap();
        let leaf = client("a", Vec::new()).signed_by(&own, &issuer).unwrap();
        let leaf = leaf.der().to_vec();
        assert_eq!(check(&ca, &[leaf.clone(), signed], NOW), Ok(()));
        let mut of_ca = client("a", Vec::new());
        of_ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let chain = [ca.issue(&of_ca)];
        assert_eq!(check(&ca, &chain, NOW), Err(BadCertificate::Authority));
        let leaf_key = KeyPair::generate().unwrap();
        let of_leaf = client("b", Vec::new());
        let leaf_as_issuer = Issuer::new(client("a", Vec::new()), own);
        let below = of_leaf.signed_by(&leaf_key, &leaf_as_issuer).unwrap();
        let chain = [below.der().to_vec(), leaf.clone()];
        let no_authority = BadCertificate::Other("EndEntityUsedAsCa".to_owned());
        assert_eq!(check(&ca, &chain, NOW), Err(no_authority));
        let alone = check(&ca, &[leaf], NOW);
        assert_eq!(alone, Err(BadCertificate::UnknownIssuer));
    }

    #[test]
    fn a_text_without_a_usable_certificate_is_refused() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for wrong in ["", "hello", broken] {
            assert!(Authorities::in_pem(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }
}
