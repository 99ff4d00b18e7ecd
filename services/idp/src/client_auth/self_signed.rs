//! `self_signed_tls_client_auth` (RFC 8705 §2.2): a certificate that is itself registered
//! for the client. Who issued it does not matter.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kit::{clock::Timestamp, tls::PeerCertificates, x509::Certificate};

use crate::{
    Idp,
    settings::{CertificateSource, Client, Settings},
};

/// How long what was read of a file counts: so long a certificate that was removed from
/// it is still accepted.
const FRESH: Duration = Duration::from_secs(1);

/// The registered certificates of all clients that have some.
pub struct RegisteredCertificates(BTreeMap<String, Registered>);

struct Registered {
    source: CertificateSource,
    /// The task that holds the lock reads; others wait for its result.
    read: tokio::sync::Mutex<Read>,
}

#[derive(Default)]
struct Read {
    certificates: Arc<[Vec<u8>]>,
    fresh_until: Timestamp,
}

impl RegisteredCertificates {
    /// Those of the clients in `settings`. They are read when they are needed.
    pub fn new(settings: &Settings) -> Self {
        let registered = settings.clients().filter_map(|client| {
            let source = client.tls.registered.clone()?;
            let registered = Registered {
                source,
                read: tokio::sync::Mutex::default(),
            };
            Some((client.client_id.clone(), registered))
        });
        Self(registered.collect())
    }

    /// The certificates of `client`, as DER.
    async fn of(&self, client: &Client, now: Timestamp) -> Result<Arc<[Vec<u8>]>, String> {
        let registered = self.0.get(&client.client_id);
        let registered = registered.ok_or("no certificate is registered for the client")?;
        let mut read = registered.read.lock().await;
        if read.fresh_until <= now {
            let source = registered.source.clone();
            let certificates = tokio::task::spawn_blocking(move || source.read()).await;
            let certificates = certificates.map_err(|error| error.to_string());
            let certificates = certificates.and_then(|read| read.map_err(|why| why.to_string()));
            let certificates = certificates.map_err(|why| {
                let client = &client.client_id;
                tracing::warn!(client, "its certificates cannot be read: {why}");
                "the provider cannot read the client's certificates at the moment"
            })?;
            *read = Read {
                certificates: certificates.into(),
                fresh_until: now + FRESH,
            };
        }
        Ok(Arc::clone(&read.certificates))
    }
}

/// Whether `peer` is one of the certificates of `client`, and valid; else why not.
pub(super) async fn check(
    idp: &Idp,
    client: &Client,
    peer: &PeerCertificates,
) -> Result<(), String> {
    let now = idp.now();
    let own = idp.registered_certificates.of(client, now).await?;
    if !own.iter().any(|der| der[..] == peer.own()[..]) {
        return Err("the certificate is not registered for the client".to_owned());
    }
    let read = Certificate::read(peer.own());
    let valid = read.and_then(|certificate| certificate.check_validity(now));
    valid.map_err(|error| error.to_string())
}
