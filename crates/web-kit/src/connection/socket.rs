//! A connection's socket: reads are limited by [`FlowControl`], writes are watched for
//! a client that takes too long.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use kit::admission::{Admission, Connection};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take},
    net::TcpStream,
};

use super::flow::{Allowance, FlowControl};
use crate::client::TrustedProxies;

/// The socket.
pub(crate) struct Socket {
    io: Take<TcpStream>,
    flow: Rc<FlowControl>,
}

impl Socket {
    /// Accepts the connection if there is room for it.
    pub(crate) fn admit(
        io: TcpStream,
        admission: &Admission,
        proxies: &TrustedProxies,
    ) -> io::Result<Self> {
        let peer = io.peer_addr()?.ip();
        let connection = admission.connect(peer, proxies.has(peer));
        let connection = connection.ok_or(io::ErrorKind::QuotaExceeded)?;
        Ok(Self {
            io: io.take(0),
            flow: Rc::new(FlowControl::new(connection)),
        })
    }

    /// The flow control, for requests.
    pub(crate) fn flow(&self) -> &Rc<FlowControl> {
        &self.flow
    }

    /// The client's address.
    pub(crate) fn peer(&self) -> Option<std::net::SocketAddr> {
        self.io.get_ref().peer_addr().ok()
    }

    fn connection(&self) -> &Connection {
        self.flow.connection()
    }

    /// Waits for the end of the connection or an error. Other input stays in the
    /// kernel's buffer.
    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut byte = [0];
        let mut peeked = ReadBuf::new(&mut byte);
        if ready!(self.io.get_ref().poll_peek(cx, &mut peeked))? == 0 {
            return Poll::Ready(Ok(()));
        }
        self.connection().pause_reading();
        Poll::Pending
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.connection().check()?;
        self.connection().wake(cx.waker());
        let room = match self.flow.room() {
            Allowance::Bytes(room) => room,
            Allowance::NextPoll => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Allowance::None => return self.poll_end(cx),
            Allowance::Exceeded => {
                self.connection().close();
                return Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()));
            }
        };
        self.io.set_limit(u64::try_from(room).unwrap_or(u64::MAX));
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.flow.record(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.connection().check()?;
        let written = Pin::new(self.io.get_mut()).poll_write(cx, buf);
        if written.is_pending() {
            self.connection().wake(cx.waker());
        }
        self.connection().polled_write(&written);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The server flushes when the socket has taken all that there was.
        self.connection().flushed();
        Pin::new(self.io.get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.io.get_mut()).poll_shutdown(cx)
    }
}
