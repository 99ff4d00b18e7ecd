//! A connection's socket, read as far as its [`Door`] is open and watched while
//! it is written.

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

use super::door::{Door, Room};
use crate::client::TrustedProxies;

/// The socket.
pub(crate) struct Socket {
    io: Take<TcpStream>,
    door: Rc<Door>,
}

impl Socket {
    /// Takes the connection in, where there is room for it.
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
            door: Rc::new(Door::new(connection)),
        })
    }

    /// For its requests.
    pub(crate) fn door(&self) -> &Rc<Door> {
        &self.door
    }

    /// Its client.
    pub(crate) fn peer(&self) -> Option<std::net::SocketAddr> {
        self.io.get_ref().peer_addr().ok()
    }

    fn connection(&self) -> &Connection {
        self.door.connection()
    }

    /// The end of the connection, or an error; whatever else comes is left
    /// where it is.
    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut byte = [0];
        let mut peeked = ReadBuf::new(&mut byte);
        if ready!(self.io.get_ref().poll_peek(cx, &mut peeked))? == 0 {
            return Poll::Ready(Ok(()));
        }
        self.connection().hold();
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
        let room = match self.door.room() {
            Room::Bytes(room) => room,
            Room::AfterALook => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Room::None => return self.poll_end(cx),
            Room::Over => {
                self.connection().give_up();
                return Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()));
            }
        };
        self.io.set_limit(u64::try_from(room).unwrap_or(u64::MAX));
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.door.came(buf.filled().len() - before);
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
        self.connection().is_flushed();
        Pin::new(self.io.get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.io.get_mut()).poll_shutdown(cx)
    }
}
