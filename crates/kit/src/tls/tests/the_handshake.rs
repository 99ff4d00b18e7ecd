//! Handshakes with real clients.

use super::*;

/// A listener that makes one handshake after the other.
struct Served {
    ca: Authority,
    acceptor: Acceptor,
    listener: TcpListener,
    admission: Admission,
}

impl Served {
    async fn new(protocol: Protocol, clients: ClientCertificates) -> Self {
        Self::limited(protocol, clients, Limits::default()).await
    }

    async fn limited(protocol: Protocol, clients: ClientCertificates, limits: Limits) -> Self {
        let ca = authority();
        let names = names(&["localhost", "idp.test"]);
        let identity = Identity::issued(&ca, &names, SystemClock.now()).unwrap();
        Self {
            ca,
            acceptor: Acceptor::new(identity, protocol, clients).unwrap(),
            listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
            admission: Admission::new(limits),
        }
    }

    async fn connect(&self) -> TcpStream {
        let address = self.listener.local_addr().unwrap();
        TcpStream::connect(address).await.unwrap()
    }

    /// Accepts one connection and answers its first bytes with them.
    async fn accept(&self) -> std::io::Result<ServerStream> {
        let (io, peer) = self.listener.accept().await.unwrap();
        let connection = self.admission.connect(peer.ip(), false).unwrap();
        let mut stream = self.acceptor.accept(io, &connection).await?;
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).await?;
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        Ok(stream)
    }

    /// A client's whole connection; what the server saw of it.
    async fn met(&self, client: &TlsConnector) -> (ServerStream, TlsStream<TcpStream>) {
        let spoken = async {
            let name = ServerName::try_from("localhost").unwrap();
            let mut stream = client.connect(name, self.connect().await).await.unwrap();
            stream.write_all(b"ping").await.unwrap();
            stream.read_exact(&mut [0; 4]).await.unwrap();
            stream
        };
        let (accepted, client) = tokio::join!(self.accept(), spoken);
        (accepted.unwrap(), client)
    }
}

/// Presents a certificate, whatever the server asks for.
#[derive(Debug)]
struct Presents(Arc<CertifiedKey>);

impl ResolvesClientCert for Presents {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn client(
    served: &Served,
    version: &'static SupportedProtocolVersion,
    own: Option<Arc<CertifiedKey>>,
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(served.ca.certificate().clone()).unwrap();
    let config = client_config(roots, &[version]);
    let mut config = match own {
        None => config.with_no_client_auth(),
        Some(own) => config.with_client_cert_resolver(Arc::new(Presents(own))),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(4);
    TlsConnector::from(Arc::new(config))
}

fn issued(ca: &Authority, name: &str) -> Arc<CertifiedKey> {
    let Issued { certificate, key } = ca.client(name, &[], SystemClock.now()).unwrap();
    certified_key(vec![certificate], key).unwrap()
}

#[tokio::test]
async fn rfc8446_4_6_1_a_resumed_session_still_has_the_clients_certificate() {
    let served = Served::new(Protocol::Http, ClientCertificates::Requested).await;
    for version in [&TLS13, &TLS12] {
        let own = issued(&served.ca, "batch");
        let client = client(&served, version, Some(Arc::clone(&own)));
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let (stream, client) = served.met(&client).await;
            assert_eq!(
                client.get_ref().1.handshake_kind(),
                Some(kind),
                "{version:?}"
            );
            let protocol = client.get_ref().1.protocol_version();
            assert_eq!(protocol, Some(version.version));
            let seen = stream.peer_certificates().expect("a certificate");
            assert_eq!(*seen.own(), own.cert[0]);
            assert!(seen.intermediates().is_empty());
        }
    }
}

#[tokio::test]
async fn a_client_may_have_no_certificate_and_is_asked_only_where_it_is_set() {
    let served = Served::new(Protocol::Http, ClientCertificates::Requested).await;
    let (stream, _) = served.met(&client(&served, &TLS13, None)).await;
    assert_eq!(stream.peer_certificates(), None);
    let served = Served::new(Protocol::Http, ClientCertificates::Ignored).await;
    let own = issued(&served.ca, "batch");
    let (stream, _) = served.met(&client(&served, &TLS13, Some(own))).await;
    assert_eq!(stream.peer_certificates(), None);
}

#[tokio::test]
async fn rfc8705_2_2_a_certificate_of_no_known_authority_is_passed_on() {
    let served = Served::new(Protocol::Http, ClientCertificates::Requested).await;
    let own = issued(&authority(), "self");
    let (stream, _) = served
        .met(&client(&served, &TLS12, Some(Arc::clone(&own))))
        .await;
    assert_eq!(*stream.peer_certificates().unwrap().own(), own.cert[0]);
}

/// Whether the server and the client speak with each other.
async fn is_met(served: &Served, client: &TlsConnector) -> bool {
    let spoken = async {
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = client.connect(name, served.connect().await).await?;
        stream.write_all(b"ping").await?;
        stream.read_exact(&mut [0; 4]).await
    };
    let (accepted, client) = tokio::join!(served.accept(), spoken);
    assert_eq!(accepted.is_ok(), client.is_ok());
    client.is_ok()
}

#[tokio::test]
async fn rfc8446_4_4_3_a_certificate_without_its_key_is_refused() {
    let served = Served::new(Protocol::Http, ClientCertificates::Requested).await;
    for version in [&TLS13, &TLS12] {
        let own = issued(&served.ca, "batch");
        let stolen = issued(&served.ca, "other").cert.clone();
        let stolen = CertifiedKey::new(stolen, Arc::clone(&own.key));
        assert!(is_met(&served, &client(&served, version, Some(own))).await);
        let thief = client(&served, version, Some(Arc::new(stolen)));
        assert!(!is_met(&served, &thief).await);
    }
}

#[tokio::test]
async fn certificates_that_would_not_fit_a_ticket_are_refused() {
    let served = Served::new(Protocol::Http, ClientCertificates::Requested).await;
    let own = issued(&served.ca, "batch");
    for (copies, is_served) in [(10, true), (60, false)] {
        let chain = vec![own.cert[0].clone(); copies];
        let own = CertifiedKey::new(chain, Arc::clone(&own.key));
        let client = client(&served, &TLS13, Some(Arc::new(own)));
        assert_eq!(is_met(&served, &client).await, is_served, "{copies}");
    }
}

#[tokio::test]
async fn a_request_of_plain_http_is_answered() {
    let served = Served::new(Protocol::Http, ClientCertificates::Ignored).await;
    let spoken = async {
        let mut plain = served.connect().await;
        plain
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        plain.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (accepted, answer) = tokio::join!(served.accept(), spoken);
    assert_eq!(
        accepted.unwrap_err().kind(),
        std::io::ErrorKind::InvalidData
    );
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert!(
        head.contains(&format!("Content-Length: {}\r\n", body.len())),
        "{head}"
    );
    assert_eq!(body, "This port expects https, not http.\n");
}

#[tokio::test]
async fn what_is_no_tls_ends_the_connection() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let served = Served::new(protocol, ClientCertificates::Ignored).await;
        let client = async {
            let mut plain = served.connect().await;
            plain
                .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
                .await
                .unwrap();
            plain.shutdown().await.unwrap();
            let _ = plain.read_to_end(&mut Vec::new()).await;
        };
        let both = async { tokio::join!(served.accept(), client) };
        let (accepted, ()) = tokio::time::timeout(LONG, both).await.unwrap();
        assert!(accepted.is_err());
    }
}

#[tokio::test]
async fn a_handshake_has_the_time_of_a_requests_head() {
    let limits = Limits {
        tick: Duration::from_millis(10),
        head: 3,
        ..Limits::default()
    };
    let served = Served::limited(Protocol::Http, ClientCertificates::Ignored, limits).await;
    let sweep = tokio::spawn(served.admission.clone().sweep());
    for first in [&b""[..], b"\x16\x03\x01"] {
        let mut silent = served.connect().await;
        silent.write_all(first).await.unwrap();
        let ended = tokio::time::timeout(LONG, served.accept()).await.unwrap();
        assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    }
    sweep.abort();
}

#[tokio::test]
async fn one_replica_behind_a_name_is_reached_by_the_certificate_of_the_name() {
    const OK: &[u8] = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
    let served = Served::new(Protocol::Http, ClientCertificates::Ignored).await;
    let address = served.listener.local_addr().unwrap();
    let trust = Trust::default().with_root(served.ca.certificate());
    let client = trust.http_client_at(address.ip());
    let ask = async |name: &str| {
        let url = format!("https://{name}:{}/", address.port());
        let answered = async {
            let (io, peer) = served.listener.accept().await.unwrap();
            let connection = served.admission.connect(peer.ip(), false).unwrap();
            let mut stream = served.acceptor.accept(io, &connection).await?;
            let _ = stream.read(&mut [0; 4096]).await?;
            stream.write_all(OK).await?;
            stream.shutdown().await
        };
        let (answer, _) = tokio::join!(client.get(&url).send(), answered);
        answer.map(|answer| answer.status().as_u16())
    };
    // Nobody can resolve this name.
    assert_eq!(ask("idp.test").await.unwrap(), 204);
    let error = ask("other.test").await.unwrap_err();
    assert!(why(&error).contains("not trusted"), "{}", why(&error));
}
