//! TLS in front of plain servers, with certificates from a CA of the test.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};

/// The protocol of the server behind the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// gRPC, for clients that offer `h2` (ALPN).
    Grpc,
}

type Servers = Arc<Mutex<BTreeMap<(String, Protocol), SocketAddr>>>;

/// One port for all names. A client's server name (SNI) and protocol (ALPN)
/// select the server. Stops when dropped.
pub struct TlsFront {
    port: u16,
    ca: String,
    servers: Servers,
    task: JoinHandle<()>,
}

impl TlsFront {
    /// Listens on a free port of loopback, with a certificate for `names`.
    pub async fn start(names: &[&str]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (acceptor, ca) = acceptor(names, &[b"h2", b"http/1.1"]);
        let servers = Servers::default();
        let task = tokio::spawn(serve(listener, acceptor, Arc::clone(&servers)));
        Self {
            port,
            ca,
            servers,
            task,
        }
    }

    /// Routes connections for `name` to `server`.
    pub fn lead(&self, name: &str, protocol: Protocol, server: SocketAddr) {
        self.servers
            .lock()
            .insert((name.to_owned(), protocol), server);
    }

    /// `https://<name>:<port>`.
    pub fn url(&self, name: &str) -> String {
        format!("https://{name}:{}", self.port)
    }

    /// The CA's certificate, as PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, servers: Servers) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, servers) = (acceptor.clone(), Arc::clone(&servers));
        tokio::spawn(async move {
            // A client that does not trust the certificate disconnects.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let session = stream.get_ref().1;
            let protocol = match session.alpn_protocol() {
                Some(b"h2") => Protocol::Grpc,
                _ => Protocol::Http,
            };
            let name = session.server_name().unwrap_or_default().to_owned();
            let server = servers.lock().get(&(name, protocol)).copied();
            if let Some(server) = server
                && let Ok(mut behind) = TcpStream::connect(server).await
            {
                let _ = copy_bidirectional(&mut stream, &mut behind).await;
            }
        });
    }
}

/// The TLS configuration for `names` and `protocols` (ALPN), with the CA's
/// certificate as PEM. Each call makes a new CA.
pub(crate) fn acceptor(names: &[&str], protocols: &[&[u8]]) -> (TlsAcceptor, String) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::<String>::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let server = CertificateParams::new(names).unwrap();
    let certificate = server.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    (TlsAcceptor::from(Arc::new(config)), pem)
}
