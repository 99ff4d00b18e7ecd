//! Redis tells which keys change (client-side caching in broadcast mode, over
//! RESP3): connections of its own for each watch, and the task that keeps them.
//!
//! An invalidation is handled where it is read off the connection, before any
//! answer behind it is. So an answer shows that what came before has been told,
//! and the watch is current for as long after as it promises, if every server
//! that may take a change has answered (`tracked`).

mod listener;
mod tracked_servers;

use std::{sync::Arc, time::Duration};

use tokio::runtime::Handle;

use self::{listener::Listener, tracked_servers::TrackedServers};
use super::{Servers, dial::Dialer};
use crate::{StoreError, WATCH_BOUND, Watch, Watcher, watch::Validity};

/// Between the answers and the next question: often enough that two lost in a
/// row do not end a validity.
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(200);
/// Before the first try to connect again; each later pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What can be watched.
pub(super) struct Invalidations {
    servers: Arc<Servers>,
    dialer: Dialer,
    /// Where connections live; see `connections`.
    home: Option<Handle>,
}

impl Invalidations {
    /// Of `servers`, which `dialer` reaches.
    pub(super) fn new(servers: Arc<Servers>, dialer: &Dialer, home: Option<Handle>) -> Self {
        Self {
            servers,
            dialer: dialer.with_response(WATCH_BOUND),
            home,
        }
    }

    /// Tells `watcher` of changes to keys that begin with `prefix`. Without any
    /// runtime to live on, the watch is never current.
    pub(super) fn watch(&self, prefix: &str, watcher: Arc<dyn Watcher>) -> Watch {
        let validity = Arc::new(Validity::none());
        let home = self.home.clone().or_else(|| Handle::try_current().ok());
        let watching = Watching {
            servers: Arc::clone(&self.servers),
            dialer: self.dialer.clone(),
            prefix: super::prefixed(prefix),
            watcher,
            validity: Arc::clone(&validity),
        };
        let task = home.map(|home| home.spawn(watching.keep()).abort_handle());
        Watch::new(validity, task)
    }
}

struct Watching {
    servers: Arc<Servers>,
    dialer: Dialer,
    prefix: String,
    watcher: Arc<dyn Watcher>,
    validity: Arc<Validity>,
}

impl Watching {
    /// For ever: it connects again whenever a connection is lost.
    async fn keep(self) {
        let mut pause = FIRST_PAUSE;
        let mut is_told = true;
        loop {
            let error = match self.begin().await {
                Ok(tracked) => {
                    if !is_told {
                        tracing::info!("the store tells its changes again");
                    }
                    (is_told, pause) = (true, FIRST_PAUSE);
                    self.follow(tracked).await
                }
                Err(error) => error,
            };
            self.validity.revoke();
            if is_told {
                tracing::warn!("the store does not tell its changes, each read asks it: {error}");
                is_told = false;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Connections on which changes are told, with all before them declared changed.
    async fn begin(&self) -> Result<TrackedServers, StoreError> {
        let listener = Listener {
            watcher: Arc::clone(&self.watcher),
            validity: Arc::clone(&self.validity),
            lost: Arc::default(),
        };
        let found = TrackedServers::find(&self.servers, &self.dialer, &self.prefix, &listener);
        let tracked = found.await?;
        self.watcher.invalidate_all();
        self.validity.start(tracked.asked());
        Ok(tracked)
    }

    /// Prolongs the validity until a witness is lost; why it is.
    async fn follow(&self, mut tracked: TrackedServers) -> StoreError {
        loop {
            tokio::select! {
                () = tracked.is_lost() => break,
                () = tokio::time::sleep(BETWEEN_QUESTIONS) => {}
            }
            let proven = match tracked.ask().await {
                Ok(proven) => proven,
                Err(error) => return error,
            };
            if !self.validity.extend(proven) {
                break;
            }
        }
        StoreError::Unreachable("the connection was lost".to_owned())
    }
}

#[cfg(test)]
pub(super) mod tests;
