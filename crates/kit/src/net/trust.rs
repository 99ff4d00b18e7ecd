//! The certificate authorities that this process trusts for outgoing TLS: the system's,
//! and those in a file (`CA_FILE`). The clients that use them.

use std::{
    io,
    sync::{Arc, LazyLock},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper_util::rt::TokioIo;
use reqwest::dns::Resolve;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;
use tonic::transport::{Channel, Endpoint, Uri};

use super::{BrowserResolver, CALL_TIMEOUT, CONNECT_TIMEOUT, IDLE, LocalhostResolver, connect};

/// The system's certificate authorities, read once because that takes milliseconds.
static SYSTEM: LazyLock<Vec<CertificateDer<'static>>> =
    LazyLock::new(|| rustls_native_certs::load_native_certs().certs);

/// Certificates that are trusted in addition to the system's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust(Arc<[CertificateDer<'static>]>);

impl Trust {
    /// The certificates in `pem`: at least one, each usable as a root.
    pub fn in_pem(pem: &[u8]) -> Result<Self, String> {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let all = all.map_err(|why| format!("not PEM: {why}"))?;
        if all.is_empty() {
            return Err("it contains no certificate".to_owned());
        }
        let mut roots = RootCertStore::empty();
        for one in &all {
            let added = roots.add(one.clone());
            added.map_err(|why| format!("it contains an unusable certificate: {why}"))?;
        }
        Ok(Self(all.into()))
    }

    /// A TLS connector that offers `protocols` (ALPN). `None` if no certificate authority
    /// is trusted.
    pub fn connector(&self, protocols: &[&[u8]]) -> Option<TlsConnector> {
        let mut roots = RootCertStore::empty();
        // Unreadable certificates of the system are skipped.
        roots.add_parsable_certificates(SYSTEM.iter().cloned());
        roots.add_parsable_certificates(self.0.iter().cloned());
        if roots.is_empty() {
            return None;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .ok()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Some(TlsConnector::from(Arc::new(config)))
    }

    /// All trusted certificate authorities as PEM, for a library that reads such a file
    /// instead of the system's. `None` if there are none.
    pub fn roots_in_pem(&self) -> Option<String> {
        let mut roots = RootCertStore::empty();
        let mut pem = String::new();
        for one in SYSTEM.iter().chain(self.0.iter()) {
            if roots.add(one.clone()).is_ok() {
                pem.push_str("-----BEGIN CERTIFICATE-----\n");
                STANDARD.encode_string(one, &mut pem);
                pem.push_str("\n-----END CERTIFICATE-----\n");
            }
        }
        (!pem.is_empty()).then_some(pem)
    }

    /// The HTTP client for discovery, JWKS, token requests and calls between APIs. It
    /// follows no redirects, because none of its peers sends one. Without a trusted
    /// certificate authority it reaches peers only by plain http.
    pub fn http_client(&self) -> reqwest::Client {
        self.client(&Arc::new(LocalhostResolver))
    }

    /// The HTTP client of a program that takes a browser's part: like browsers, it looks
    /// for `*.localhost` at `::1` first.
    pub fn browsers_http_client(&self) -> reqwest::Client {
        self.client(&Arc::new(BrowserResolver))
    }

    #[expect(clippy::expect_used, reason = "fails only without a TLS backend")]
    fn client<R: Resolve + 'static>(&self, resolver: &Arc<R>) -> reqwest::Client {
        let builder = || {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(CALL_TIMEOUT)
                .pool_idle_timeout(IDLE)
                .tcp_nodelay(true)
                .no_proxy()
                .dns_resolver(Arc::clone(resolver))
        };
        let client = builder().tls_certs_merge(self.certificates()).build();
        let client = client.or_else(|error| {
            tracing::warn!(
                "no certificate authority can be used, so no https peer can be reached: {error}"
            );
            builder().tls_certs_only([]).build()
        });
        client.expect("an HTTP client")
    }

    /// The certificates in the HTTP client's type.
    pub(crate) fn certificates(&self) -> Vec<reqwest::Certificate> {
        let read = self.0.iter().map(|one| reqwest::Certificate::from_der(one));
        read.filter_map(Result::ok).collect()
    }

    /// A gRPC channel to `url`, which connects at the first call and reconnects after a
    /// loss. Call it inside the runtime that will drive the connection.
    pub fn grpc_channel(&self, url: &str) -> Result<Channel, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(url.to_owned())?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        Ok(self.connected(&endpoint))
    }

    /// The channel of `endpoint`, over connections made by [`connect`].
    fn connected(&self, endpoint: &Endpoint) -> Channel {
        let is_https = endpoint.uri().scheme_str() == Some("https");
        let tls = is_https.then(|| self.tls(&[b"h2"]));
        let connector = tower::service_fn(move |uri: Uri| {
            let tls = tls.clone();
            async move {
                let host = uri.host().unwrap_or_default();
                let stream = match tls {
                    Some(tls) => {
                        let port = uri.port_u16().unwrap_or(443);
                        Either::Right(tls.connect(host, port).await?)
                    }
                    None => Either::Left(connect(host, uri.port_u16().unwrap_or(80)).await?),
                };
                io::Result::Ok(TokioIo::new(stream))
            }
        });
        endpoint.connect_with_connector_lazy(connector)
    }

    /// Makes TLS connections that offer `protocols` (ALPN).
    pub fn tls(&self, protocols: &[&[u8]]) -> Tls {
        Tls(self.connector(protocols))
    }
}

/// Makes TLS connections.
#[derive(Clone)]
pub struct Tls(Option<TlsConnector>);

impl Tls {
    /// Connects to `host` and verifies its certificate for that name.
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<TlsStream<TcpStream>> {
        let nobody = || io::Error::other("no certificate authority is trusted: see CA_FILE");
        let connector = self.0.as_ref().ok_or_else(nobody)?;
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        connector.connect(name, connect(host, port).await?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_a_usable_certificate_is_refused() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        for wrong in ["", "hello", broken, cut] {
            assert!(Trust::in_pem(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }
}
