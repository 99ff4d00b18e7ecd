//! What Redis pushes on a connection with tracking on.

use std::sync::Arc;

use redis::{
    PushInfo, PushKind, Value,
    aio::{AsyncPushSender, SendError},
};
use tokio::sync::Notify;

use super::super::PREFIX;
use crate::{Watcher, watch::Validity};

/// Passes invalidations on to a watcher.
#[derive(Clone)]
pub(super) struct Listener {
    pub(super) watcher: Arc<dyn Watcher>,
    pub(super) validity: Arc<Validity>,
    /// Notified when a connection is lost.
    pub(super) lost: Arc<Notify>,
}

impl AsyncPushSender for Listener {
    fn send(&self, push: PushInfo) -> Result<(), SendError> {
        match push.kind {
            PushKind::Invalidate => invalidate(&*self.watcher, &push.data),
            PushKind::Disconnection => {
                self.validity.revoke();
                self.lost.notify_one();
            }
            _ => {}
        }
        Ok(())
    }
}

/// Invalidates the keys of a push; all keys where it names none (a flush) or has an
/// unknown form.
pub(super) fn invalidate(watcher: &dyn Watcher, push: &[Value]) {
    let [Value::Array(keys)] = push else {
        return watcher.invalidate_all();
    };
    for key in keys {
        match own_key(key) {
            Some(key) => watcher.invalidate(key),
            None => watcher.invalidate_all(),
        }
    }
}

fn own_key(key: &Value) -> Option<&str> {
    let Value::BulkString(key) = key else {
        return None;
    };
    std::str::from_utf8(key).ok()?.strip_prefix(PREFIX)
}
