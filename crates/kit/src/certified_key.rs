//! Certificate chains with their private keys, of servers and of clients.

use std::sync::Arc;

use rustls::{
    Error,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
};

/// A certificate chain and its private key, which fit each other.
pub(crate) fn certified_key(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, Error> {
    let found = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())?;
    // A key whose public half the library cannot tell would fail in each handshake.
    found.keys_match()?;
    Ok(Arc::new(found))
}
