//! A port with TLS for the tests of a server, with a certificate authority of its own, and
//! clients of the port.
#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a helper that cannot go on fails the test that called it"
)]

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use kit::{
    clock::{Clock as _, SystemClock},
    listeners::Sockets,
    net::client_config,
    random::OsRandom,
    tls::{Acceptor, Authority, ClientCertificates, Identity, Issued, Protocol},
};
use rustls::{DEFAULT_VERSIONS, RootCertStore, pki_types::ServerName};
use tokio::{io::AsyncReadExt as _, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// The host name in the certificate of every port.
const HOST: &str = "localhost";

/// A port, which asks its clients for a certificate.
pub struct TlsPort {
    ca: Authority,
    address: SocketAddr,
    protocol: Protocol,
}

/// A client of a port, for any number of connections.
#[derive(Clone)]
pub struct TlsClient {
    connector: TlsConnector,
    address: SocketAddr,
}

impl TlsPort {
    /// A free port on loopback, and its sockets for the server.
    pub fn open(protocol: Protocol) -> (Self, Sockets) {
        let ca = Authority::new(SystemClock.now(), &OsRandom).unwrap();
        let names = [HOST.to_owned()];
        let identity = Identity::issued(&ca, &names, SystemClock.now()).unwrap();
        let tls = Acceptor::new(identity, protocol, ClientCertificates::Requested).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let sockets = Sockets {
            bound: vec![listener],
            tls: Some(tls),
            is_https_only: true,
        };
        let port = Self {
            ca,
            address,
            protocol,
        };
        (port, sockets)
    }

    /// A certificate of the client `name`.
    pub fn certificate(&self, name: &str) -> Issued {
        self.ca.client(name, &[], SystemClock.now()).unwrap()
    }

    /// A client with the certificate `own`, or without one.
    pub fn client(&self, own: Option<Issued>) -> TlsClient {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.certificate().clone()).unwrap();
        let config = client_config(roots, DEFAULT_VERSIONS);
        let mut config = match own {
            None => config.with_no_client_auth(),
            Some(Issued { certificate, key }) => config
                .with_client_auth_cert(vec![certificate], key)
                .unwrap(),
        };
        if self.protocol == Protocol::Grpc {
            config.alpn_protocols = vec![b"h2".to_vec()];
        }
        TlsClient {
            connector: TlsConnector::from(Arc::new(config)),
            address: self.address,
        }
    }

    /// A connection whose handshake stalls: it sends nothing.
    pub async fn stalled(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

impl TlsClient {
    /// A new connection, after its handshake.
    pub async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(HOST).unwrap();
        self.connector.connect(name, tcp).await
    }
}

/// Waits until the server ends a connection that it has sent nothing to.
pub async fn until_ended(mut stalled: TcpStream) {
    let read = stalled.read(&mut [0; 8]).await;
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}
