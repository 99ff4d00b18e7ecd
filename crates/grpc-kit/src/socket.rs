//! A connection's socket, watched while it is used, and its calls: the bounds are
//! `kit::admission`'s.

use std::{
    error::Error,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use kit::{
    admission::{Admission, Charge, Connection, Phase, UnderWay},
    net::AddrBucket,
};
use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tonic::{
    Status,
    transport::server::{Connected, TcpConnectInfo},
};

/// The socket.
pub(crate) struct Socket {
    io: TcpStream,
    connection: Arc<Connection>,
}

/// Whose call it is: in the extensions of each.
#[derive(Clone)]
pub(crate) struct Peer {
    /// As tonic's own sockets have it.
    pub(crate) tcp: TcpConnectInfo,
    connection: Arc<Connection>,
}

impl Socket {
    /// Takes the connection in, where there is room for it. It is to make a call soon.
    pub(crate) fn admit(io: TcpStream, admission: &Admission) -> Option<Self> {
        let connection = admission.connect(io.peer_addr().ok()?.ip(), false)?;
        connection.is_at(Phase::Head);
        connection.bounds_calls();
        Some(Self {
            io,
            connection: Arc::new(connection),
        })
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
            tcp: self.io.connect_info(),
            connection: Arc::clone(&self.connection),
        }
    }
}

impl Peer {
    /// A call begins.
    pub(crate) fn begin(&self) -> UnderWay {
        self.connection.begin()
    }

    fn charge(&self) -> Charge {
        let share = self.connection.share().unwrap_or(AddrBucket::UNKNOWN);
        self.connection.admission().charge(share)
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
        // hyper flushes when the socket has taken all that there was.
        self.connection.is_flushed();
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

pin_project! {
    /// What a call sends, paid for by its client's address as it comes.
    pub(crate) struct Paid<B> {
        #[pin]
        body: B,
        charge: Option<Charge>,
    }
}

impl<B> Paid<B> {
    pub(crate) fn new(body: B, peer: Option<&Peer>) -> Self {
        Self {
            body,
            charge: peer.map(Peer::charge),
        }
    }
}

impl<B> Body for Paid<B>
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
    /// What a call is answered with, which keeps it under way until all is sent.
    pub(crate) struct Answer<B> {
        #[pin]
        body: B,
        _under_way: Option<UnderWay>,
    }
}

impl<B> Answer<B> {
    pub(crate) const fn new(body: B, under_way: Option<UnderWay>) -> Self {
        Self {
            body,
            _under_way: under_way,
        }
    }
}

impl<B: Body> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
