//! The store in Redis 6.2 or newer. Each operation is one command or one script, on
//! one key.

mod address;
mod call;
mod cluster;
mod connections;
mod connector;
mod error;
mod invalidations;
mod operations;
mod scripts;
mod sentinels;
mod server;
#[cfg(test)]
mod tests;
mod topology;

use std::{sync::Arc, time::Duration};

use kit::{
    config::{Problems, RedisSettings},
    net::Trust,
};
use redis::{FromRedisValue, RedisConnectionInfo};
use secrecy::ExposeSecret as _;
use tokio::runtime::Handle;

use self::{
    address::{Address, Kind},
    call::Call,
    cluster::{Cluster, Routed},
    connections::{Connections, Layout},
    connector::Connector,
    invalidations::Invalidations,
    scripts::Scripts,
    sentinels::Sentinels,
    server::{Role, Server},
};
use crate::StoreError;

/// The prefix of every key, so that a Redis can be shared.
const PREFIX: &str = "sso-lab:";

/// How a [`RedisStore`] reaches Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long an operation waits for a connection where it finds none.
    pub connect: Duration,
    /// How long a command waits for its reply.
    pub response: Duration,
    /// How many connections the runtimes of several threads share. A runtime of one
    /// thread has a connection of its own.
    pub shared_connections: usize,
}

impl Default for Options {
    /// 2 s to connect, 1 s for a reply, a shared connection for each core.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            connect: Duration::from_secs(2),
            response: Duration::from_secs(1),
            shared_connections: cores,
        }
    }
}

/// A store that all replicas share.
///
/// A Redis that is down gives [`StoreError::Unreachable`] within
/// [`Options::response`], or within [`Options::connect`] where there is no
/// connection. The next operation connects to one that is back, or to the server
/// that took over from it.
pub struct RedisStore {
    servers: Arc<Servers>,
    scripts: Scripts,
    invalidations: Invalidations,
}

/// The servers that keep the data, and the connections to them.
enum Servers {
    One(Connections<Server>),
    /// The master that the sentinels name.
    Sentinels(Connections<Sentinels>),
    Cluster(Connections<Cluster>),
}

impl RedisStore {
    /// The Redis at `url`, without further settings: see [`RedisStore::open`].
    pub fn new(url: &str, options: Options) -> Result<Self, Problems> {
        Self::open(&RedisSettings::at(url), options)
    }

    /// The Redis of `settings`: a server, the master that sentinels name, or a
    /// cluster. It connects at the first operation: a runtime of one thread by
    /// itself, all others on the runtime that this is called in. An error does not
    /// contain the URL.
    pub fn open(settings: &RedisSettings, options: Options) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let trust = settings
            .ca
            .as_deref()
            .map_or(Ok(Trust::default()), Trust::in_pem);
        let trust = trust.map_err(|what| problems.add("REDIS_CA_FILE", what));
        let address = address::parse(settings.url.expose_secret());
        let address = address.map_err(|what| problems.add("REDIS_URL", what));
        let (Ok(trust), Ok(address)) = (trust, address) else {
            return Err(problems);
        };
        let layout = Layout {
            shared: options.shared_connections,
            home: Handle::try_current().ok(),
            connect: options.connect,
        };
        let connector = Connector::new(
            address.tls.then_some(&trust),
            address.settings.clone(),
            options.connect,
            options.response,
        );
        let connector = connector.map_err(|what| Problems::one("REDIS_URL", what))?;
        let servers = servers(address, settings, &connector, &layout)?;
        let servers = Arc::new(servers);
        Ok(Self {
            invalidations: Invalidations::new(Arc::clone(&servers), &connector, layout.home),
            servers,
            scripts: Scripts::new(),
        })
    }

    async fn run<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, StoreError> {
        match &*self.servers {
            Servers::One(connections) => connections.run(&call, |server| server).await,
            Servers::Sentinels(connections) => connections.run(&call, |master| master).await,
            Servers::Cluster(connections) => {
                // Boxed, so that the others do not carry its size along.
                let routed = |nodes| Routed::new(nodes, &call.key);
                Box::pin(connections.run(&call, routed)).await
            }
        }
    }

    /// Whether the server answers; in a cluster, each master.
    async fn probe(&self) -> Result<(), StoreError> {
        let Servers::Cluster(connections) = &*self.servers else {
            return self.run::<String>(Call::ping()).await.map(drop);
        };
        let ping = Call::ping();
        let answered = connections.run::<String, _>(&ping, |nodes| nodes);
        answered.await.map(drop)
    }
}

fn servers(
    address: Address,
    settings: &RedisSettings,
    connector: &Connector,
    layout: &Layout,
) -> Result<Servers, Problems> {
    Ok(match address.kind {
        Kind::Single(node) => {
            let server = Server::new(connector, &node, Role::Any, layout.size());
            let server = server.map_err(|error| Problems::one("REDIS_URL", error))?;
            Servers::One(Connections::new(server, layout.clone()))
        }
        Kind::Sentinel { sentinels, master } => {
            let mut own = RedisConnectionInfo::default().set_skip_set_lib_name();
            if let Some(password) = &settings.sentinel_password {
                own = own.set_password(password.expose_secret());
            }
            let servers = (connector.clone(), layout.size());
            let sentinels =
                Sentinels::new(connector.with_settings(own), sentinels, master, servers);
            Servers::Sentinels(Connections::new(sentinels, layout.clone()))
        }
        Kind::Cluster(seeds) => {
            let cluster = Cluster::new(connector.clone(), seeds);
            Servers::Cluster(Connections::new(cluster, layout.clone()))
        }
    })
}
