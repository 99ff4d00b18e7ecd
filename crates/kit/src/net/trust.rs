//! The certificate authorities that this process trusts for outgoing TLS: the system's,
//! and those in a file (`CA_FILE`). The clients that use them.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use reqwest::dns::Resolve;
use rustls::{
    ClientConfig, ConfigBuilder, DEFAULT_VERSIONS, RootCertStore, SupportedProtocolVersion,
    client::WantsClientCert,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;
use tonic::transport::{Channel, Endpoint, Uri};

use super::{
    BrowserResolver, CALL_TIMEOUT, CONNECT_TIMEOUT, ClientIdentity, FixedResolver, IDLE,
    LocalhostResolver, connect,
};
use crate::pem;

/// The system's certificate authorities, read once because that takes milliseconds.
static SYSTEM: LazyLock<Vec<CertificateDer<'static>>> =
    LazyLock::new(|| rustls_native_certs::load_native_certs().certs);

/// Certificates that are trusted in addition to the system's, and the certificate that
/// servers get if they ask for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    roots: Arc<[CertificateDer<'static>]>,
    identity: Option<ClientIdentity>,
}

impl Trust {
    /// The certificates in `text` (PEM): at least one, each usable as a root.
    pub fn in_pem(text: &[u8]) -> Result<Self, String> {
        Ok(Self {
            roots: pem::authorities(text)?.into(),
            identity: None,
        })
    }

    /// The same, and the certificates that `other` trusts.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            roots: self.roots.iter().chain(&*other.roots).cloned().collect(),
            identity: self.identity.clone(),
        }
    }

    /// The same for clients that authenticate by a certificate (mTLS): servers that ask for
    /// one get it.
    #[must_use]
    pub fn identified_by(&self, identity: ClientIdentity) -> Self {
        Self {
            roots: Arc::clone(&self.roots),
            identity: Some(identity),
        }
    }

    /// The same, and `root`, the certificate of an authority.
    #[must_use]
    pub fn with_root(&self, root: &CertificateDer<'static>) -> Self {
        Self {
            roots: self.roots.iter().chain([root]).cloned().collect(),
            identity: self.identity.clone(),
        }
    }

    /// A TLS connector that offers `protocols` (ALPN). `None` if no certificate authority
    /// is trusted.
    pub fn connector(&self, protocols: &[&[u8]]) -> Option<TlsConnector> {
        let roots = SYSTEM.iter().chain(self.roots.iter()).cloned();
        let builder = client_config(roots, DEFAULT_VERSIONS)?;
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = identity.parts();
                // They fit, so there is no error.
                builder.with_client_auth_cert(chain, key).ok()?
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Some(TlsConnector::from(Arc::new(config)))
    }

    /// All trusted certificate authorities as PEM, for a library that reads such a file
    /// instead of the system's. `None` if there are none.
    pub fn roots_in_pem(&self) -> Option<String> {
        let mut roots = RootCertStore::empty();
        let mut text = String::new();
        for one in SYSTEM.iter().chain(self.roots.iter()) {
            if roots.add(one.clone()).is_ok() {
                text += &pem::encode("CERTIFICATE", one);
            }
        }
        (!text.is_empty()).then_some(text)
    }

    /// The HTTP client for discovery, JWKS, token requests and calls between APIs. It
    /// follows no redirects, because none of its peers sends one. Without a trusted
    /// certificate authority it reaches peers only by plain http.
    pub fn http_client(&self) -> reqwest::Client {
        self.client(&Arc::new(LocalhostResolver))
    }

    /// The HTTP client that connects to `address`, whatever the name in the URL is: it
    /// reaches one replica of several behind a name, also behind the certificate of the name.
    pub fn http_client_at(&self, address: IpAddr) -> reqwest::Client {
        self.client(&Arc::new(FixedResolver(address)))
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
        let builder = || match &self.identity {
            Some(identity) => builder().identity(identity.http()),
            None => builder(),
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
    pub fn certificates(&self) -> Vec<reqwest::Certificate> {
        let read = self
            .roots
            .iter()
            .map(|one| reqwest::Certificate::from_der(one));
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

/// The TLS configuration of a client that trusts `roots` alone and speaks `versions`, up to
/// the client's own certificate. Unreadable certificates are skipped; `None` if none is left.
pub fn client_config(
    roots: impl IntoIterator<Item = CertificateDer<'static>>,
    versions: &[&'static SupportedProtocolVersion],
) -> Option<ConfigBuilder<ClientConfig, WantsClientCert>> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots);
    if store.is_empty() {
        return None;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
    Some(config.ok()?.with_root_certificates(store))
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
