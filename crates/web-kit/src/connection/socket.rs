//! A connection's socket, with TLS or without: reads are limited by [`FlowControl`], writes
//! are watched for a client that takes too long.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use kit::{
    admission::Connection,
    tls::{PeerCertificates, ServerStream},
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take};

use super::flow::{Allowance, FlowControl};

/// The socket.
pub(crate) struct Socket {
    io: Take<ServerStream>,
    flow: Rc<FlowControl>,
    /// A byte that was decrypted while nothing might be read. TLS offers no look ahead.
    held: Option<u8>,
}

impl Socket {
    /// The socket of the admitted `connection`.
    pub(crate) fn new(io: ServerStream, connection: Connection) -> Self {
        Self {
            io: io.take(0),
            flow: Rc::new(FlowControl::new(connection)),
            held: None,
        }
    }

    /// The flow control, for requests.
    pub(crate) fn flow(&self) -> &Rc<FlowControl> {
        &self.flow
    }

    /// The client's address.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.io.get_ref().tcp().peer_addr().ok()
    }

    /// The certificate that the client presented.
    pub(crate) fn peer_certificates(&self) -> Option<PeerCertificates> {
        self.io.get_ref().peer_certificates()
    }

    fn connection(&self) -> &Connection {
        self.flow.connection()
    }

    /// Waits for the end of the connection or an error. Other input stays in the
    /// kernel's buffer; of TLS, one record of it is decrypted.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut byte = [0];
        let mut ahead = ReadBuf::new(&mut byte);
        match self.io.get_mut() {
            ServerStream::Plain(tcp) => {
                if ready!(tcp.poll_peek(cx, &mut ahead))? == 0 {
                    return Poll::Ready(Ok(()));
                }
            }
            tls if self.held.is_none() => {
                ready!(Pin::new(tls).poll_read(cx, &mut ahead))?;
                let [first] = ahead.filled() else {
                    return Poll::Ready(Ok(()));
                };
                self.held = Some(*first);
            }
            ServerStream::Tls(_) => {}
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
        let before = buf.filled().len();
        if let Some(held) = self.held.take() {
            buf.put_slice(&[held]);
        } else {
            self.io.set_limit(u64::try_from(room).unwrap_or(u64::MAX));
            ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        }
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
        // The server flushes when the socket has taken all that there was. TLS may still hold
        // a part of it.
        let flushed = Pin::new(self.io.get_mut()).poll_flush(cx);
        if flushed.is_pending() {
            self.connection().wake(cx.waker());
            self.connection().write_stalled();
        } else {
            self.connection().flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.io.get_mut()).poll_shutdown(cx)
    }
}
