//! The certificate authorities that this process trusts for outgoing TLS: the system's,
//! and those in a file (`CA_FILE`). The clients that use them.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, LazyLock, OnceLock},
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

/// The system's certificate authorities, read once: that takes milliseconds, and they take
/// 130 KB.
static SYSTEM: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Arc::new(roots)
});

/// Certificates that are trusted in addition to the system's, and the certificate that
/// servers get if they ask for one. Clones share the set of trusted certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    roots: Arc<Roots>,
    identity: Option<ClientIdentity>,
}

/// The additional certificates, and the set of all that are trusted once it is needed.
#[derive(Debug, Default)]
struct Roots {
    added: Vec<CertificateDer<'static>>,
    all: OnceLock<Arc<RootCertStore>>,
}

impl Roots {
    fn all(&self) -> Arc<RootCertStore> {
        if self.added.is_empty() {
            return Arc::clone(&SYSTEM);
        }
        let all = self.all.get_or_init(|| {
            let mut roots = (**SYSTEM).clone();
            roots.add_parsable_certificates(self.added.iter().cloned());
            Arc::new(roots)
        });
        Arc::clone(all)
    }
}

impl FromIterator<CertificateDer<'static>> for Roots {
    fn from_iter<I: IntoIterator<Item = CertificateDer<'static>>>(added: I) -> Self {
        Self {
            added: added.into_iter().collect(),
            all: OnceLock::new(),
        }
    }
}

impl PartialEq for Roots {
    fn eq(&self, other: &Self) -> bool {
        self.added == other.added
    }
}

impl Eq for Roots {}

impl Trust {
    /// The certificates in `text` (PEM): at least one, each usable as a root.
    pub fn in_pem(text: &[u8]) -> Result<Self, String> {
        let added = pem::authorities(text)?.into_iter().collect();
        Ok(Self {
            roots: Arc::new(added),
            identity: None,
        })
    }

    /// The same, and the certificates that `other` trusts.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.with(&other.roots.added)
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
        self.with(std::slice::from_ref(root))
    }

    fn with(&self, more: &[CertificateDer<'static>]) -> Self {
        let added = self.roots.added.iter().chain(more).cloned().collect();
        Self {
            roots: Arc::new(added),
            identity: self.identity.clone(),
        }
    }

    /// The TLS configuration of a client that offers `protocols` (ALPN). Without a trusted
    /// certificate authority no server's certificate is valid.
    fn client_config(&self, protocols: &[&[u8]]) -> ClientConfig {
        let roots = self.roots.all();
        if roots.is_empty() {
            tracing::warn!("no certificate authority is trusted, so no https peer can be reached");
        }
        let builder = client_config(roots, DEFAULT_VERSIONS);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder.with_client_cert_resolver(identity.resolver()),
        };
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        config
    }

    /// All trusted certificate authorities as PEM, for a library that reads such a file
    /// instead of the system's. `None` if there are none.
    pub fn roots_in_pem(&self) -> Option<String> {
        let system = rustls_native_certs::load_native_certs().certs;
        let mut roots = RootCertStore::empty();
        let mut text = String::new();
        for one in system.iter().chain(&self.roots.added) {
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
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .no_proxy()
            .dns_resolver(Arc::clone(resolver))
            .tls_backend_preconfigured(self.https())
            .build()
            .expect("an HTTP client")
    }

    /// The TLS configuration of the HTTP client, in the type that it takes. It speaks
    /// HTTP/1.1.
    pub fn https(&self) -> ClientConfig {
        self.client_config(&[b"http/1.1"])
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
        Tls(Arc::new(self.client_config(protocols)).into())
    }
}

/// The TLS configuration of a client that trusts `roots` alone and speaks `versions`, up to
/// the client's own certificate.
#[expect(
    clippy::expect_used,
    reason = "fails only for versions without a cipher suite"
)]
pub fn client_config(
    roots: impl Into<Arc<RootCertStore>>,
    versions: &[&'static SupportedProtocolVersion],
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(roots)
}

/// Makes TLS connections.
#[derive(Clone)]
pub struct Tls(TlsConnector);

impl Tls {
    /// Connects to `host` and verifies its certificate for that name.
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<TlsStream<TcpStream>> {
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, connect(host, port).await?).await
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
