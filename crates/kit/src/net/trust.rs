//! Whom this process trusts when it calls others over TLS: the certificate
//! authorities of the system, and those in a file of its own (`CA_FILE`).

use std::{
    io,
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
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
use crate::{config::Problems, files};

/// The system's own, read once: it takes milliseconds.
static SYSTEM: LazyLock<Vec<CertificateDer<'static>>> =
    LazyLock::new(|| rustls_native_certs::load_native_certs().certs);

/// Flags and environment of whoever calls others over TLS.
#[derive(Args, Clone, Debug, Default)]
pub struct TrustArgs {
    /// Certificates (PEM) that are trusted for outgoing https, beside the system's
    #[arg(long, env = "CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

impl TrustArgs {
    /// Whom to trust; what is wrong with the file goes to `problems`.
    pub fn read(&self, problems: &mut Problems) -> Option<Trust> {
        let Some(file) = &self.ca_file else {
            return Some(Trust::default());
        };
        let pem = files::read_text(file).map_err(|error| error.to_string());
        let trust = pem.and_then(|pem| Trust::in_pem(pem.as_bytes()));
        trust
            .map_err(|what| problems.add("CA_FILE", format_args!("{}: {what}", file.display())))
            .ok()
    }
}

/// Certificates that are trusted beside the system's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust(Arc<[CertificateDer<'static>]>);

impl Trust {
    /// The certificates in `pem`: at least one, each fit to be a root of trust.
    pub fn in_pem(pem: &[u8]) -> Result<Self, String> {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let all = all.map_err(|why| format!("not PEM: {why}"))?;
        if all.is_empty() {
            return Err("no certificate is in it".to_owned());
        }
        let mut roots = RootCertStore::empty();
        for one in &all {
            let added = roots.add(one.clone());
            added.map_err(|why| format!("a certificate in it cannot be used: {why}"))?;
        }
        Ok(Self(all.into()))
    }

    /// TLS by them and by the system's, speaking one of `protocols` (ALPN) where
    /// it names any. `None` where there is nobody to trust.
    pub fn connector(&self, protocols: &[&[u8]]) -> Option<TlsConnector> {
        let mut roots = RootCertStore::empty();
        // What of the system's cannot be read is not trusted; more than that it need not mean.
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

    /// The system's certificate authorities and these as PEM, for a library that reads
    /// such a file in place of the system's. `None` where there is nobody to trust.
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

    /// The HTTP client for discovery, JWKS, token calls and calls between APIs. It
    /// follows no redirects: none of its peers has a reason to send one. Where
    /// there is nobody to trust it reaches peers by plain http alone.
    pub fn http_client(&self) -> reqwest::Client {
        self.client(&Arc::new(LocalhostResolver))
    }

    /// The same for a program that stands for a browser: it looks for `*.localhost`
    /// where browsers do, at `::1` first. So it meets what they meet there.
    pub fn browsers_http_client(&self) -> reqwest::Client {
        self.client(&Arc::new(BrowserResolver))
    }

    #[expect(
        clippy::expect_used,
        reason = "fails only where no TLS backend is compiled in"
    )]
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
            tracing::warn!("https peers cannot be checked, and so not reached: {error}");
            builder().tls_certs_only([]).build()
        });
        client.expect("an HTTP client")
    }

    /// They as the HTTP client takes them.
    pub(crate) fn certificates(&self) -> Vec<reqwest::Certificate> {
        let read = self.0.iter().map(|one| reqwest::Certificate::from_der(one));
        read.filter_map(Result::ok).collect()
    }

    /// A gRPC channel to `url`, connected at the first call and again after a
    /// loss. Call it inside the runtime that is to carry the connection.
    pub fn grpc_channel(&self, url: &str) -> Result<Channel, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(url.to_owned())?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        Ok(self.connected(&endpoint))
    }

    /// The channel of `endpoint`, over connections as [`connect`] makes them.
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

    /// What makes connections over TLS that speak one of `protocols` (ALPN).
    pub fn tls(&self, protocols: &[&[u8]]) -> Tls {
        Tls(self.connector(protocols))
    }
}

/// Makes connections over TLS.
#[derive(Clone)]
pub struct Tls(Option<TlsConnector>);

impl Tls {
    /// A connection with `host`, which has shown a certificate for that name.
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<TlsStream<TcpStream>> {
        let nobody = || io::Error::other("there is no certificate authority to trust: see CA_FILE");
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
    fn a_file_without_a_usable_certificate_is_refused_with_its_key_and_its_name() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        for wrong in ["", "hello", broken, cut] {
            assert!(Trust::in_pem(wrong.as_bytes()).is_err(), "{wrong:?}");
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), wrong).unwrap();
            let ca_file = Some(file.path().to_owned());
            let mut problems = Problems::new();
            assert!(TrustArgs { ca_file }.read(&mut problems).is_none());
            let said = problems.to_string();
            let named = format!("CA_FILE: {}: ", file.path().display());
            assert!(said.starts_with(&named), "{said}");
        }
        let mut problems = Problems::new();
        let none = TrustArgs::default().read(&mut problems);
        assert_eq!((none, problems.is_empty()), (Some(Trust::default()), true));
    }
}
