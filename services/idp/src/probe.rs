//! Checks whether the store keeps two keys that were written together.
//!
//! A Redis that drops a part of its append-only file at its start, a restored backup
//! or a failover can leave a record that no list contains. Affected sessions and
//! grants end when they are next used; the probe notices the loss before that. The
//! provider writes the same timestamp to a list and to a value, the list first. If
//! the value is later than the list, the store has lost a write.

use std::time::Duration;

use bytes::Bytes;
use kit::clock::Timestamp;
use store::StoreError;

use crate::{Idp, meters::Unlisted};

const LIST: &str = "idp:probe-list";
const MEMBER: &str = "probe";
const VALUE: &str = "idp:probe-value";
/// The lock of the process that writes.
const TURN: &str = "idp:probe-turn";
/// How long the lock is held.
const HELD: Duration = Duration::from_secs(60);
/// How often both are written again: a Redis loses the latest part of its file.
const REWRITE: Duration = Duration::from_secs(3600);
/// How long both are kept: longer than any outage.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

/// Compares both, reports a loss, and writes them again if they are lost or old.
pub async fn check(idp: &Idp) -> Result<(), StoreError> {
    let store = idp.records.store();
    let (value, listed) = tokio::try_join!(store.get(VALUE), store.score(LIST, MEMBER))?;
    let value = value.as_deref().and_then(timestamp);
    let is_lost = value.is_some() && value > listed;
    if is_lost {
        idp.meters.unlisted(Unlisted::Probe);
    }
    let now = idp.now();
    if !is_lost && value.is_some_and(|written| now < written + REWRITE) {
        return Ok(());
    }
    let turn = Bytes::from_static(b"taken");
    if !store.put_new(TURN, turn, HELD).await? {
        return Ok(());
    }
    store.add_scored(LIST, MEMBER, now, REMEMBERED).await?;
    let text = Bytes::from(now.millis().to_string());
    store.put(VALUE, text, REMEMBERED).await
}

fn timestamp(text: &[u8]) -> Option<Timestamp> {
    let millis = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(Timestamp::from_millis(millis))
}
