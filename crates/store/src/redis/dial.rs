//! From a server's address to a connection with it, by TLS where the URL asks
//! for it.

use std::{io, sync::Arc, time::Duration};

use kit::net::Trust;
use redis::{
    AsyncConnectionConfig, ProtocolVersion, RedisConnectionInfo, RedisError, RedisResult,
    aio::{AsyncPushSender, MultiplexedConnection},
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::AbortHandle,
};
use tokio_rustls::TlsConnector;

use super::address::Node;

/// Makes connections.
#[derive(Clone)]
pub(super) struct Dialer {
    tls: Option<TlsConnector>,
    settings: RedisConnectionInfo,
    /// How long it may take to connect.
    connect: Duration,
    /// How long a command waits for its answer.
    response: Duration,
}

impl Dialer {
    pub(super) fn new(
        tls: Option<TlsConnector>,
        settings: RedisConnectionInfo,
        connect: Duration,
        response: Duration,
    ) -> Self {
        Self {
            tls,
            settings,
            connect,
            response,
        }
    }

    /// The same with another user and database.
    pub(super) fn with_settings(&self, settings: RedisConnectionInfo) -> Self {
        Self {
            settings,
            ..self.clone()
        }
    }

    /// The same with another wait for answers.
    pub(super) fn with_response(&self, response: Duration) -> Self {
        Self {
            response,
            ..self.clone()
        }
    }

    /// A connection with `node`, which lives on the runtime that this is called in.
    pub(super) async fn dial(&self, node: &Node) -> RedisResult<Line> {
        let config = AsyncConnectionConfig::new();
        self.dial_with(node, &self.settings, config).await
    }

    /// The same over RESP3: `listener` hears what the server says unasked.
    pub(super) async fn dial_listening(
        &self,
        node: &Node,
        listener: impl AsyncPushSender,
    ) -> RedisResult<Line> {
        let settings = self.settings.clone().set_protocol(ProtocolVersion::RESP3);
        let config = AsyncConnectionConfig::new().set_push_sender(listener);
        self.dial_with(node, &settings, config).await
    }

    async fn dial_with(
        &self,
        node: &Node,
        settings: &RedisConnectionInfo,
        config: AsyncConnectionConfig,
    ) -> RedisResult<Line> {
        let config = config.set_response_timeout(Some(self.response));
        let dialing = async {
            let stream = kit::net::connect(&node.host, node.port).await?;
            let Some(tls) = &self.tls else {
                return Line::over(stream, settings, config).await;
            };
            let name = ServerName::try_from(node.host.clone()).map_err(io::Error::other)?;
            Line::over(tls.connect(name, stream).await?, settings, config).await
        };
        match tokio::time::timeout(self.connect, dialing).await {
            Ok(outcome) => outcome,
            Err(late) => Err(RedisError::from(io::Error::from(late))),
        }
    }
}

/// A connection. It is closed with its last clone, whatever it still waits for.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) connection: MultiplexedConnection,
    driver: Arc<Driver>,
}

impl Line {
    async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        settings: &RedisConnectionInfo,
        config: AsyncConnectionConfig,
    ) -> RedisResult<Self> {
        let made = MultiplexedConnection::new_with_config(settings, stream, config);
        let (connection, driver) = made.await?;
        let driver = tokio::spawn(driver).abort_handle();
        Ok(Self {
            connection,
            driver: Arc::new(Driver(driver)),
        })
    }
}

impl Line {
    /// Whether it is known to be lost: what is sent over it now goes nowhere.
    pub(super) fn is_lost(&self) -> bool {
        self.driver.0.is_finished()
    }
}

/// The task that reads and writes.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// TLS that trusts what the system does, and what `trust` adds.
pub(super) fn tls(trust: &Trust) -> Result<TlsConnector, String> {
    let nobody = "this system trusts no certificate authority: name one by REDIS_CA_FILE";
    trust.connector(&[]).ok_or_else(|| nobody.to_owned())
}
