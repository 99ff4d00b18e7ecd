//! How a [`RedisStore`] is opened: its settings are checked, and the kind of its servers is
//! read from the address. No connection is made yet.

use std::{sync::Arc, time::Duration};

use kit::{
    config::{Problems, RedisSettings},
    net::Trust,
};
use redis::RedisConnectionInfo;
use secrecy::ExposeSecret as _;
use tokio::runtime::Handle;

use super::{
    RedisStore, Servers,
    address::{self, Address, Kind},
    cluster::Cluster,
    connections::{Connections, Layout},
    connector::Connector,
    invalidations::Invalidations,
    scripts::Scripts,
    sentinels::Sentinels,
    server::{Role, Server},
};

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
