//! `tls_client_auth` (RFC 8705 §2.1): a certificate that a trusted authority issued to
//! the name that is registered for the client.

use kit::{tls::PeerCertificates, x509::BadCertificate};

use crate::{Idp, settings::Client};

/// Whether `peer` is a certificate of `client`; else why not.
pub(super) fn check(idp: &Idp, client: &Client, peer: &PeerCertificates) -> Result<(), String> {
    let said = |error: BadCertificate| error.to_string();
    let mtls = idp.mtls.as_ref().ok_or("the provider has no mTLS port")?;
    let certificate = mtls.authorities.identify(peer, idp.now()).map_err(said)?;
    let name = client.tls.name.as_ref();
    if name.is_some_and(|name| certificate.has(name)) {
        return Ok(());
    }
    // The subject is the sender's own; what is expected stays unsaid.
    let subject = certificate.subject();
    Err(format!(
        "the certificate does not have the name that is registered for the client; its subject is {subject}"
    ))
}
