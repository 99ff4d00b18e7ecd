//! actix's HTTP/1.1 server on the project's own sockets ([`crate::connection`]). actix's
//! public API starts servers only on plain network sockets.

use std::{fmt, io, net::SocketAddr, rc::Rc, time::Duration};

use actix_http::{HttpServiceBuilder, Request, Response, body::MessageBody, error::DispatchError};
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
use actix_web::{
    Error,
    dev::{AppConfig, Extensions},
};
use futures_util::future::Either;
use kit::{
    admission::{Admission, Connection, Phase},
    listeners::Sockets,
    tls::{Acceptor, ServerStream},
};
use tokio::net::TcpStream;

use crate::{client::TrustedProxies, connection::Socket};

/// The time for the headers of a connection's first request. Later requests have the same
/// limit ([`kit::admission::Limits::head`]).
const HEADERS_IN: Duration = Duration::from_secs(10);
/// The time for which an idle connection stays open: longer than load balancers keep
/// theirs (usually 60 s), so that no request races the close.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// The time for which further input is read after a refusal, so that the refusal reaches
/// the client (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(1);

/// Decides which connections are accepted.
#[derive(Clone)]
pub(crate) struct AcceptPolicy {
    pub(crate) admission: Admission,
    pub(crate) proxies: TrustedProxies,
}

/// A server of the services that `factory` makes, one for each worker and listener.
pub(crate) fn server<F, I, S, B>(
    factory: F,
    listeners: Sockets,
    workers: usize,
    accept: &AcceptPolicy,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let mut server = Server::build()
        .workers(workers)
        // This process limits the time itself.
        .shutdown_timeout(u64::from(u32::MAX))
        .disable_signals();
    let signal = server.graceful_shutdown_signal();
    let Sockets { bound, tls, .. } = listeners;
    for listener in bound {
        let (factory, signal) = (factory.clone(), signal.clone());
        let (accept, tls) = (accept.clone(), tls.clone());
        let address = listener.local_addr()?;
        server = server.listen(address.to_string(), listener, move || {
            let accepted = accept.clone().connections(tls.clone(), signal.clone());
            let signal = signal.clone();
            let app = factory().into_factory();
            let app = app.map_err(|error| error.into().error_response());
            let http = HttpServiceBuilder::default()
                .graceful_shutdown_signal(move || {
                    let signal = signal.clone();
                    async move { signal.notified().await }
                })
                .keep_alive(KEEP_ALIVE)
                .client_request_timeout(HEADERS_IN)
                .client_disconnect_timeout(LINGER)
                // A request whose client has disconnected is cancelled.
                .h1_allow_half_closed(false)
                .local_addr(address)
                .on_connect_ext(keep_connection)
                .h1(map_config(app, |()| AppConfig::default()));
            accepted.and_then(http)
        })?;
    }
    Ok(server.run())
}

/// Keeps in `data` what requests need to know of their connection.
fn keep_connection(socket: &Socket, data: &mut Extensions) {
    data.insert(Rc::clone(socket.flow()));
    if let Some(certificates) = socket.peer_certificates() {
        data.insert(certificates);
    }
}

/// A connection that is ready for requests, and its peer.
type Connected = (Socket, Option<SocketAddr>);
/// The same, or why there is none.
type Accepted = Result<Connected, DispatchError>;

impl AcceptPolicy {
    /// The service that makes connections of the sockets of a listener, with TLS if there is
    /// an acceptor, until the server stops.
    fn connections(
        self,
        tls: Option<Acceptor>,
        stopping: GracefulShutdownSignal,
    ) -> impl ServiceFactory<
        TcpStream,
        Config = (),
        Response = Connected,
        Error = DispatchError,
        InitError = (),
    > {
        fn_service(move |io: TcpStream| match &tls {
            None => Either::Left(std::future::ready(self.plain(io))),
            Some(tls) => {
                let (accept, tls, stopping) = (self.clone(), tls.clone(), stopping.clone());
                Either::Right(Box::pin(
                    async move { accept.tls(io, &tls, stopping).await },
                ))
            }
        })
    }

    /// Accepts a connection without TLS.
    fn plain(&self, io: TcpStream) -> Accepted {
        let connection = self.admit(&io)?;
        let socket = Socket::new(ServerStream::Plain(io), connection);
        let peer = socket.peer();
        Ok((socket, peer))
    }

    /// Accepts a connection and makes its TLS handshake, unless the server stops meanwhile.
    async fn tls(
        &self,
        io: TcpStream,
        tls: &Acceptor,
        stopping: GracefulShutdownSignal,
    ) -> Accepted {
        let connection = self.admit(&io)?;
        let shaken = tokio::select! {
            shaken = tls.accept(io, &connection) => shaken,
            () = stopping.notified() => Err(io::ErrorKind::ConnectionAborted.into()),
        };
        let stream = shaken.map_err(DispatchError::Io)?;
        connection.set_phase(Phase::Idle);
        let socket = Socket::new(stream, connection);
        let peer = socket.peer();
        Ok((socket, peer))
    }

    /// The connection of `io`, if there is room for it.
    fn admit(&self, io: &TcpStream) -> Result<Connection, DispatchError> {
        let peer = io.peer_addr().map_err(DispatchError::Io)?.ip();
        let connection = self.admission.connect(peer, self.proxies.has(peer));
        connection.ok_or_else(|| DispatchError::Io(io::ErrorKind::QuotaExceeded.into()))
    }
}
