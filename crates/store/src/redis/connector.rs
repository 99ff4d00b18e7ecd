//! How a connection to one server is made: its address, TLS, user and password,
//! and how long each step may take.

use std::{io, net::SocketAddr, time::Duration};

use kit::net::Trust;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    ProtocolVersion, RedisConnectionInfo, RedisFuture, RedisResult, TlsCertificates,
    aio::{AsyncPushSender, MultiplexedConnection},
    io::{AsyncDNSResolver, tcp::TcpSettings},
};

use super::address::Node;

/// Describes connections to servers that take the same user and password.
#[derive(Clone)]
pub(super) struct Connector {
    /// A connection to no host yet. With TLS it holds the trusted certificates,
    /// which are parsed once.
    template: ConnectionInfo,
    certificates: Option<TlsCertificates>,
    /// The longest time to connect and log in.
    connect: Duration,
    /// The longest time to wait for a reply.
    response: Duration,
}

impl Connector {
    /// With TLS where `trust` names certificate authorities.
    pub(super) fn new(
        trust: Option<&Trust>,
        settings: RedisConnectionInfo,
        connect: Duration,
        response: Duration,
    ) -> Result<Self, String> {
        let certificates = trust.map(certificates).transpose()?;
        let template = template(certificates.as_ref()).map_err(|error| error.to_string())?;
        let template = template
            .set_tcp_settings(tcp_settings(connect))
            .set_redis_settings(settings.set_protocol(ProtocolVersion::RESP3));
        Ok(Self {
            template,
            certificates,
            connect,
            response,
        })
    }

    /// The same connections for another user.
    pub(super) fn with_settings(&self, settings: RedisConnectionInfo) -> Self {
        Self {
            template: self.template.clone().set_redis_settings(settings),
            ..self.clone()
        }
    }

    /// The same connections with another time limit for replies.
    pub(super) fn with_response(&self, response: Duration) -> Self {
        Self {
            response,
            ..self.clone()
        }
    }

    pub(super) const fn connect_timeout(&self) -> Duration {
        self.connect
    }

    pub(super) const fn response_timeout(&self) -> Duration {
        self.response
    }

    pub(super) fn tcp_settings(&self) -> TcpSettings {
        self.template.tcp_settings().clone()
    }

    pub(super) const fn certificates(&self) -> Option<&TlsCertificates> {
        self.certificates.as_ref()
    }

    /// What the client library needs to know to connect to `node`.
    pub(super) fn info(&self, node: &Node) -> ConnectionInfo {
        let (host, port) = (node.host.clone(), node.port);
        let addr = match self.template.addr() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        self.template.clone().set_addr(addr)
    }

    /// The time limits, and how names are resolved.
    pub(super) fn config(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect))
            .set_response_timeout(Some(self.response))
            .set_dns_resolver(Resolver)
    }

    /// A connection to `node`. Its task runs on the current runtime.
    pub(super) async fn connect(&self, node: &Node) -> RedisResult<MultiplexedConnection> {
        self.connect_with(node, &self.config()).await
    }

    /// The same; `listener` receives what the server pushes.
    pub(super) async fn connect_with_listener(
        &self,
        node: &Node,
        listener: impl AsyncPushSender,
    ) -> RedisResult<MultiplexedConnection> {
        let config = self.config().set_push_sender(listener);
        self.connect_with(node, &config).await
    }

    async fn connect_with(
        &self,
        node: &Node,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let client = Client::open(self.info(node))?;
        client
            .get_multiplexed_async_connection_with_config(config)
            .await
    }
}

/// A peer that acknowledges no data for `timeout` is lost.
fn tcp_settings(timeout: Duration) -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(timeout);
    #[cfg(not(any(target_os = "android", target_os = "fuchsia", target_os = "linux")))]
    let _ = timeout;
    settings
}

fn template(certificates: Option<&TlsCertificates>) -> RedisResult<ConnectionInfo> {
    let Some(certificates) = certificates else {
        return ConnectionAddr::Tcp(String::new(), 0).into_connection_info();
    };
    let addr = ConnectionAddr::TcpTls {
        host: String::new(),
        port: 0,
        insecure: false,
        tls_params: None,
    };
    let client = Client::build_with_tls(addr, certificates.clone())?;
    Ok(client.get_connection_info().clone())
}

/// The system's certificate authorities and those that `trust` adds. The library
/// takes the roots that it is given in place of the system's.
fn certificates(trust: &Trust) -> Result<TlsCertificates, String> {
    let nobody = "this system trusts no certificate authority: name one by REDIS_CA_FILE";
    Ok(TlsCertificates {
        client_tls: None,
        root_cert: Some(trust.roots_in_pem().ok_or(nobody)?.into_bytes()),
    })
}

/// Resolves `*.localhost` to loopback (RFC 6761 §6.3), other names by the system.
#[derive(Clone, Copy)]
pub(super) struct Resolver;

pub(super) type Addresses<'a> = Box<dyn Iterator<Item = SocketAddr> + Send + 'a>;

impl AsyncDNSResolver for Resolver {
    fn resolve<'a, 'b: 'a>(&'a self, host: &'b str, port: u16) -> RedisFuture<'a, Addresses<'a>> {
        Box::pin(async move {
            let addresses = kit::net::resolve(host, port).await?;
            if addresses.is_empty() {
                // The library does not expect an empty list.
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            Ok(Box::new(addresses.into_iter()) as Addresses<'a>)
        })
    }
}
