//! Authentication by a TLS certificate (RFC 8705 §2): what both methods share. The
//! handshake has proved that the client has the certificate's key.

use kit::tls::PeerCertificates;
use web_kit::client::AddrBucket;

use super::{FailureKey, pki, self_signed, too_many};
use crate::{
    Idp,
    error::OAuthError,
    settings::{AuthMethod, Client},
};

/// Authenticates `client` by the certificate of its connection. Returns the method.
pub(super) async fn authenticate(
    idp: &Idp,
    client: &Client,
    peer: Option<&PeerCertificates>,
    from: AddrBucket,
) -> Result<AuthMethod, OAuthError> {
    let peer = peer.ok_or_else(|| OAuthError::client(not_by_mtls(idp)))?;
    let key = FailureKey::Client(&client.client_id);
    // Checked first: verifying signatures takes time.
    if let Some(wait) = idp.failures.wait(key, from, idp.now()) {
        return Err(too_many(wait));
    }
    match check(idp, client, peer).await {
        Ok(method) => {
            idp.failures.forget(key, from);
            Ok(method)
        }
        Err(why) => {
            idp.failures.add(key, from, idp.now());
            Err(OAuthError::client(format!("Client certificate: {why}.")))
        }
    }
}

/// By each method that the client may use. A client with both is changing from one to the
/// other.
async fn check(idp: &Idp, client: &Client, peer: &PeerCertificates) -> Result<AuthMethod, String> {
    let mut refused = None;
    if client.authenticates_by(AuthMethod::TlsClientAuth) {
        match pki::check(idp, client, peer) {
            Ok(()) => return Ok(AuthMethod::TlsClientAuth),
            Err(why) => refused = Some(why),
        }
    }
    if client.authenticates_by(AuthMethod::SelfSignedTls) {
        match self_signed::check(idp, client, peer).await {
            Ok(()) => return Ok(AuthMethod::SelfSignedTls),
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    Err(refused.unwrap_or_else(|| "the client may not use one".to_owned()))
}

/// Tells a client that has to send a certificate where to send it.
pub fn not_by_mtls(idp: &Idp) -> String {
    match &idp.mtls {
        Some(mtls) => format!(
            "This client uses a TLS certificate. Send the request with it to {} (mtls_endpoint_aliases, RFC 8705 section 5).",
            mtls.url
        ),
        None => "This client uses a TLS certificate, and the provider has no mTLS port.".to_owned(),
    }
}
