//! A connection's socket and the bodies of its calls, under the limits of
//! `kit::admission`.

use std::{
    error::Error,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::HeaderMap;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use kit::{
    admission::{Admission, Charge, Connection, InFlight, Phase},
    net::AddrBucket,
    shares::Share,
    tls::{Acceptor, PeerCertificates, ServerStream},
};
use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};
use tonic::{
    Status,
    transport::server::{Connected, TcpConnectInfo},
};

/// The socket.
pub(crate) struct Socket {
    io: ServerStream,
    connection: Arc<Connection>,
}

/// A connection that there is room for, before its TLS handshake.
pub(crate) struct Admitted {
    io: TcpStream,
    connection: Connection,
}

/// The client of a call, in the extensions of each request.
#[derive(Clone)]
pub(crate) struct Peer {
    /// As tonic's own sockets have it.
    pub(crate) tcp: TcpConnectInfo,
    /// The certificate that it presented.
    pub(crate) certificates: Option<PeerCertificates>,
    connection: Arc<Connection>,
}

impl Admitted {
    /// Accepts the connection if there is room for it. The client has to make a call
    /// soon.
    pub(crate) fn new(io: TcpStream, admission: &Admission) -> Option<Self> {
        let connection = admission.connect(io.peer_addr().ok()?.ip(), false)?;
        connection.set_phase(Phase::Head);
        connection.bound_calls();
        Some(Self { io, connection })
    }

    /// The socket without TLS.
    pub(crate) fn plain(self) -> Socket {
        Socket::new(ServerStream::Plain(self.io), self.connection)
    }

    /// The socket after the handshake.
    pub(crate) async fn shake(self, tls: &Acceptor) -> io::Result<Socket> {
        let stream = tls.accept(self.io, &self.connection).await?;
        Ok(Socket::new(stream, self.connection))
    }
}

impl Socket {
    fn new(io: ServerStream, connection: Connection) -> Self {
        Self {
            io,
            connection: Arc::new(connection),
        }
    }

    fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        self.connection.check()?;
        self.connection.wake(cx.waker());
        Ok(())
    }
}

impl Connected for Socket {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        Peer {
            tcp: self.io.tcp().connect_info(),
            certificates: self.io.peer_certificates(),
            connection: Arc::clone(&self.connection),
        }
    }
}

impl Peer {
    /// Begins a call.
    pub(crate) fn begin(&self) -> InFlight {
        self.connection.begin()
    }

    /// The client's address, for limits.
    pub(crate) fn bucket(&self) -> AddrBucket {
        self.connection.bucket().unwrap_or(AddrBucket::UNKNOWN)
    }

    fn charge(&self) -> Charge {
        self.connection.admission().charge(self.bucket())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.connection.polled_write(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.connection.polled_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when the socket has taken all that there was. TLS may still hold a part
        // of it.
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if flushed.is_pending() {
            self.connection.wake(cx.waker());
            self.connection.write_stalled();
        } else {
            self.connection.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

pin_project! {
    /// A request body that is charged to the client's address while it is read.
    pub(crate) struct MeteredBody<B> {
        #[pin]
        body: B,
        charge: Option<Charge>,
    }
}

impl<B> MeteredBody<B> {
    pub(crate) fn new(body: B, peer: Option<&Peer>) -> Self {
        Self {
            body,
            charge: peer.map(Peer::charge),
        }
    }
}

impl<B> Body for MeteredBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.project();
        let Some(frame) = ready!(this.body.poll_frame(cx)) else {
            return Poll::Ready(None);
        };
        let frame = frame.map_err(Into::into);
        if let (Ok(frame), Some(charge)) = (&frame, this.charge) {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            if let Err(full) = charge.grow(bytes) {
                let status = Status::resource_exhausted(full.to_string());
                return Poll::Ready(Some(Err(status.into())));
            }
        }
        Poll::Ready(Some(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project! {
    /// A response body that keeps its call open until all of it is sent, or its time is up.
    pub(crate) struct ResponseBody<B> {
        #[pin]
        body: B,
        _in_flight: Option<InFlight>,
        _open: Option<Share>,
        ends: Option<Pin<Box<Sleep>>>,
    }
}

impl<B> ResponseBody<B> {
    /// `in_flight`: the call, if its connection counts as busy meanwhile.
    pub(crate) const fn new(body: B, in_flight: Option<InFlight>, open: Option<Share>) -> Self {
        Self {
            body,
            _in_flight: in_flight,
            _open: open,
            ends: None,
        }
    }

    /// The same, cut off after `life`.
    pub(crate) fn for_at_most(self, life: Duration) -> Self {
        Self {
            ends: Some(Box::pin(sleep(life))),
            ..self
        }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            return Poll::Ready(frame);
        }
        let Some(ends) = this.ends else {
            return Poll::Pending;
        };
        ready!(ends.as_mut().poll(cx));
        *this.ends = None;
        let over = Status::unavailable("this stream has lasted long enough: open another one");
        let mut trailers = HeaderMap::new();
        // It fails only for a message that is no header.
        let _ = over.add_header(&mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
