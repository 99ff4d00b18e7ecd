//! The handshake of a listener.

use std::{fmt, future::poll_fn, io, pin::pin, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{NoServerSessionStorage, WantsServerCert},
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;

use super::{Identity, ServerStream, peer::AnyCertificate};
use crate::admission::{Connection, Phase};

/// The first byte of a TLS connection: the content type of a handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;
/// How many bytes of a response may wait in a connection for its client. More would hide
/// from the limits of `kit::admission` that a client takes nothing.
const WRITE_BUFFER: usize = 16 * 1024;
/// The answer to a request of plain HTTP.
const NOT_PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 35\r\n\
    Connection: close\r\n\r\n\
    This port expects https, not http.\n";

/// The protocol that a listener offers (ALPN).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/2, for gRPC.
    Grpc,
}

/// Whether a listener asks clients for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// No.
    Ignored,
    /// Yes, and a client may have none. See [`super::PeerCertificates`].
    Requested,
}

/// Makes the handshakes of a listener.
#[derive(Clone)]
pub struct Acceptor {
    tls: TlsAcceptor,
    protocol: Protocol,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Acceptor");
        shown
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

impl Acceptor {
    /// Presents `identity`. TLS 1.2 and 1.3; sessions are resumed by tickets, which contain
    /// the certificate of the client.
    pub fn new(
        identity: Identity,
        protocol: Protocol,
        clients: ClientCertificates,
    ) -> Result<Self, rustls::Error> {
        let mut config = builder(clients)?.with_cert_resolver(Arc::new(identity));
        let alpn: &[u8] = match protocol {
            Protocol::Http => b"http/1.1",
            Protocol::Grpc => b"h2",
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        Ok(Self {
            tls: TlsAcceptor::from(Arc::new(config)),
            protocol,
        })
    }

    /// Makes the handshake with a client that was admitted as `connection`, in the time for
    /// a request's head ([`crate::admission::Limits::head`]). The connection is in
    /// [`Phase::Head`] then.
    pub async fn accept(&self, io: TcpStream, connection: &Connection) -> io::Result<ServerStream> {
        connection.set_phase(Phase::Head);
        let mut shaking = pin!(self.shake(io, connection));
        let shaken = poll_fn(|cx| {
            connection.check()?;
            connection.wake(cx.waker());
            shaking.as_mut().poll(cx)
        });
        // Any client can cause these lines.
        shaken.await.inspect_err(|error| {
            tracing::debug!("a TLS handshake failed: {error}");
        })
    }

    async fn shake(&self, io: TcpStream, connection: &Connection) -> io::Result<ServerStream> {
        let mut first = [0];
        if io.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first[0] != HANDSHAKE && self.protocol == Protocol::Http {
            connection.set_phase(Phase::Drain);
            return Err(refuse_plain(io).await);
        }
        let mut stream = self.tls.accept(io).await?;
        stream.get_mut().1.set_buffer_limit(Some(WRITE_BUFFER));
        Ok(ServerStream::Tls(Box::new(stream)))
    }
}

fn builder(
    clients: ClientCertificates,
) -> Result<rustls::ConfigBuilder<ServerConfig, WantsServerCert>, rustls::Error> {
    let provider = aws_lc_rs::default_provider();
    let algorithms = provider.signature_verification_algorithms;
    let builder = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13, &TLS12])?;
    Ok(match clients {
        ClientCertificates::Ignored => builder.with_no_client_auth(),
        ClientCertificates::Requested => {
            builder.with_client_cert_verifier(Arc::new(AnyCertificate::new(algorithms)))
        }
    })
}

/// Answers a client that speaks plain HTTP, and reads on until it ends the connection: an
/// unread request would reset the connection before the answer arrives (RFC 9112 §9.6).
async fn refuse_plain(mut io: TcpStream) -> io::Error {
    let refused = async {
        io.write_all(NOT_PLAIN).await?;
        io.shutdown().await?;
        let mut rest = [0; 1024];
        while io.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = refused.await;
    io::Error::new(io::ErrorKind::InvalidData, "plain http on a port for https")
}
