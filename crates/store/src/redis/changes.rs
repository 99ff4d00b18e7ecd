//! Redis tells which keys change (client-side caching in broadcast mode, over
//! RESP3): a connection of its own for each watch, and the task that keeps it.
//!
//! An invalidation is handled where it is read off the connection, before any
//! answer behind it is. So an answer to PING shows that what came before has
//! been told, and the watch is current for as long after as it promises.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion,
    PushInfo, PushKind, RedisResult, Value,
    aio::{AsyncPushSender, MultiplexedConnection, SendError},
};
use tokio::{runtime::Handle, sync::Notify};

use super::{PREFIX, address::LocalhostAware, error};
use crate::{StoreError, WATCH_BOUND, Watch, Watcher, watch::Proof};

/// Between an answer and the next question: often enough that two lost in a
/// row do not end a proof.
const BETWEEN_PINGS: Duration = Duration::from_millis(200);
/// Before the first try to connect again; each later pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What can be watched.
pub(super) struct Changes {
    client: Client,
    connect: Duration,
    /// Where connections live; see `lanes`.
    home: Option<Handle>,
}

impl Changes {
    /// Of the Redis at `address`. A try to connect ends after `connect`.
    pub(super) fn new(address: &ConnectionInfo, connect: Duration) -> RedisResult<Self> {
        let settings = address.redis_settings().clone();
        let settings = settings.set_protocol(ProtocolVersion::RESP3);
        let address = address.clone().set_redis_settings(settings);
        Ok(Self {
            client: Client::open(address.into_connection_info()?)?,
            connect,
            home: Handle::try_current().ok(),
        })
    }

    /// Tells `watcher` of changes to keys that begin with `prefix`. Without any
    /// runtime to live on, the watch is never current.
    pub(super) fn watch(&self, prefix: &str, watcher: Arc<dyn Watcher>) -> Watch {
        let proof = Arc::new(Proof::none_yet());
        let home = self.home.clone().or_else(|| Handle::try_current().ok());
        let watching = Watching {
            client: self.client.clone(),
            connect: self.connect,
            prefix: super::prefixed(prefix),
            watcher,
            proof: Arc::clone(&proof),
        };
        let task = home.map(|home| home.spawn(watching.keep()).abort_handle());
        Watch::new(proof, task)
    }
}

struct Watching {
    client: Client,
    connect: Duration,
    prefix: String,
    watcher: Arc<dyn Watcher>,
    proof: Arc<Proof>,
}

impl Watching {
    /// For ever: it connects again whenever the connection is lost.
    async fn keep(self) {
        let mut pause = FIRST_PAUSE;
        let mut is_told = true;
        loop {
            let error = match self.begin().await {
                Ok(line) => {
                    if !is_told {
                        tracing::info!("the store tells its changes again");
                    }
                    (is_told, pause) = (true, FIRST_PAUSE);
                    self.follow(line).await
                }
                Err(error) => error,
            };
            self.proof.make_void();
            if is_told {
                tracing::warn!("the store does not tell its changes, each read asks it: {error}");
                is_told = false;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// A connection on which changes are told, with all before it declared changed.
    async fn begin(&self) -> Result<Line, StoreError> {
        let lost = Arc::new(Notify::new());
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect))
            .set_response_timeout(Some(WATCH_BOUND))
            .set_dns_resolver(LocalhostAware)
            .set_push_sender(Listener {
                watcher: Arc::clone(&self.watcher),
                proof: Arc::clone(&self.proof),
                lost: Arc::clone(&lost),
            });
        let client = &self.client;
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connecting.await.map_err(|e| error::explain(&e))?;
        let asked = Instant::now();
        let mut track = redis::cmd("CLIENT");
        track.arg(&["TRACKING", "ON", "BCAST", "PREFIX", &self.prefix]);
        let tracking: RedisResult<()> = track.query_async(&mut connection).await;
        tracking.map_err(|e| error::explain(&e))?;
        self.watcher.all_changed();
        self.proof.begin(asked);
        Ok(Line {
            connection,
            asked,
            lost,
        })
    }

    /// Prolongs the proof until the connection is lost; why it is.
    async fn follow(&self, mut line: Line) -> StoreError {
        loop {
            tokio::select! {
                () = line.lost.notified() => break,
                () = tokio::time::sleep(BETWEEN_PINGS) => {}
            }
            let asked = Instant::now();
            let ping = redis::cmd("PING");
            let answered: RedisResult<()> = ping.query_async(&mut line.connection).await;
            if let Err(error) = answered {
                return error::explain(&error);
            }
            // Redis tells the changes of one turn of its loop behind the answers
            // of that turn. What was there at the question before this one has
            // been told in any case.
            let proven = std::mem::replace(&mut line.asked, asked);
            if !self.proof.prolong(proven) {
                break;
            }
        }
        StoreError::Unreachable("the connection was lost".to_owned())
    }
}

/// A connection on which changes are told.
struct Line {
    connection: MultiplexedConnection,
    /// When it was last asked for a sign of life.
    asked: Instant,
    lost: Arc<Notify>,
}

/// Hands on what Redis says without being asked.
struct Listener {
    watcher: Arc<dyn Watcher>,
    proof: Arc<Proof>,
    lost: Arc<Notify>,
}

impl AsyncPushSender for Listener {
    fn send(&self, push: PushInfo) -> Result<(), SendError> {
        match push.kind {
            PushKind::Invalidate => tell(&*self.watcher, &push.data),
            PushKind::Disconnection => {
                self.proof.make_void();
                self.lost.notify_one();
            }
            _ => {}
        }
        Ok(())
    }
}

/// Tells of the keys in an invalidation; of all where it names none (a flush)
/// or is of an unknown form.
fn tell(watcher: &dyn Watcher, invalidation: &[Value]) {
    let [Value::Array(keys)] = invalidation else {
        return watcher.all_changed();
    };
    for key in keys {
        match own_key(key) {
            Some(key) => watcher.changed(key),
            None => watcher.all_changed(),
        }
    }
}

fn own_key(key: &Value) -> Option<&str> {
    let Value::BulkString(key) = key else {
        return None;
    };
    std::str::from_utf8(key).ok()?.strip_prefix(PREFIX)
}

#[cfg(test)]
mod tests;
