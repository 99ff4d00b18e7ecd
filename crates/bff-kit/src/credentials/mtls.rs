//! `mtls` (RFC 8705): an access token of the app's client with a certificate, without a
//! user. The client authenticates at the provider's mTLS port by its certificate, the
//! token is bound to the certificate, and the calls go to API-1's mTLS port. Whoever steals
//! the token has no key for the handshake. Sessions share it as with `client_credentials`.

use super::{Credentials, clients::OwnClient};
use crate::provider::ProviderError;

/// The id of the client with a certificate of the app `client_id`.
pub fn mtls_client_id(client_id: &str) -> String {
    format!("{client_id}-mtls")
}

impl Credentials {
    /// The app's client with a certificate.
    pub(super) fn by_certificate(&self) -> Result<&OwnClient, ProviderError> {
        let none = || ProviderError::Invalid("the app has no certificate".to_owned());
        self.by_certificate.as_ref().ok_or_else(none)
    }
}
