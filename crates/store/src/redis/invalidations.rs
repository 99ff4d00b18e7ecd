//! Watches: Redis sends invalidations (client-side caching in broadcast mode, over
//! RESP3) over connections of each watch's own, which a task maintains.
//!
//! An invalidation is handled when it is read from the connection, before any reply
//! behind it. So a reply shows that everything before it was delivered, and the
//! watch stays current for the promised time once every server that may take a
//! change has replied (`tracked_servers`). No library proves that no invalidation
//! is missing, so this part is our own.

mod listener;
mod tracked_servers;

use std::{sync::Arc, time::Duration};

use tokio::runtime::Handle;

use self::{listener::Listener, tracked_servers::TrackedServers};
use super::{Servers, call, connector::Connector};
use crate::{StoreError, WATCH_BOUND, Watch, Watcher, watch::Validity};

/// Between the replies and the next probe: two lost probes in a row do not end the
/// validity.
const BETWEEN_PROBES: Duration = Duration::from_millis(200);
/// Before the first attempt to connect again; each later pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Starts watches.
pub(super) struct Invalidations {
    servers: Arc<Servers>,
    connector: Connector,
    /// Where connections live; see `connections`.
    home: Option<Handle>,
}

impl Invalidations {
    /// Watches of `servers`, which `connector` reaches.
    pub(super) fn new(servers: Arc<Servers>, connector: &Connector, home: Option<Handle>) -> Self {
        Self {
            servers,
            connector: connector.with_response(WATCH_BOUND),
            home,
        }
    }

    /// Sends `watcher` the invalidations of keys that begin with `prefix`. Without a
    /// runtime for its task the watch is never current.
    pub(super) fn watch(&self, prefix: &str, watcher: Arc<dyn Watcher>) -> Watch {
        let validity = Arc::new(Validity::none());
        let home = self.home.clone().or_else(|| Handle::try_current().ok());
        let task = WatchTask {
            servers: Arc::clone(&self.servers),
            connector: self.connector.clone(),
            prefix: call::prefixed(prefix),
            watcher,
            validity: Arc::clone(&validity),
        };
        let task = home.map(|home| home.spawn(task.run()).abort_handle());
        Watch::new(validity, task)
    }
}

struct WatchTask {
    servers: Arc<Servers>,
    connector: Connector,
    prefix: String,
    watcher: Arc<dyn Watcher>,
    validity: Arc<Validity>,
}

impl WatchTask {
    /// Connects again whenever a connection is lost, for ever.
    async fn run(self) {
        let mut pause = FIRST_PAUSE;
        let mut is_reported = false;
        loop {
            let error = match self.begin().await {
                Ok(tracked) => {
                    if is_reported {
                        tracing::info!("invalidations from the store arrive again");
                    }
                    (is_reported, pause) = (false, FIRST_PAUSE);
                    self.follow(tracked).await
                }
                Err(error) => error,
            };
            self.validity.revoke();
            if !is_reported {
                tracing::warn!(
                    "no invalidations from the store, every read goes to the store: {error}"
                );
                is_reported = true;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Tracks the servers, and invalidates everything from before.
    async fn begin(&self) -> Result<TrackedServers, StoreError> {
        let listener = Listener {
            watcher: Arc::clone(&self.watcher),
            validity: Arc::clone(&self.validity),
            lost: Arc::default(),
        };
        let tracking =
            TrackedServers::track(&self.servers, &self.connector, &self.prefix, &listener);
        let tracked = tracking.await?;
        self.watcher.invalidate_all();
        self.validity.start(tracked.probed());
        Ok(tracked)
    }

    /// Extends the validity until a server is lost; why it is.
    async fn follow(&self, mut tracked: TrackedServers) -> StoreError {
        loop {
            tokio::select! {
                () = tracked.is_lost() => break,
                () = tokio::time::sleep(BETWEEN_PROBES) => {}
            }
            let delivered = match tracked.probe().await {
                Ok(delivered) => delivered,
                Err(error) => return error,
            };
            if !self.validity.extend(delivered) {
                break;
            }
        }
        StoreError::Unreachable("the connection was lost".to_owned())
    }
}

#[cfg(test)]
pub(super) mod tests;
