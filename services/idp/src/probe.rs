//! Whether the store keeps together what is written together.
//!
//! A Redis that drops a part of its append-only file when it starts, a restored
//! backup or a failover can leave a record without its place in a list. Sessions
//! and grants that this happens to end when they are met; here it is noticed
//! before that. The provider writes the same moment to a list and to a value, the
//! list first. A value with a later moment than the list has is what only a store
//! leaves that has lost something.

use std::time::Duration;

use bytes::Bytes;
use kit::clock::Timestamp;
use store::StoreError;

use crate::{meters::Unlisted, state::Idp};

const LIST: &str = "idp:probe-list";
const MEMBER: &str = "probe";
const VALUE: &str = "idp:probe-value";
/// Who writes: one process at a time.
const TURN: &str = "idp:probe-turn";
/// For so long it is one process's turn.
const HELD: Duration = Duration::from_secs(60);
/// How often both are written anew: what a Redis drops from its file is what is new.
const ANEW: Duration = Duration::from_secs(3600);
/// How long what was written is remembered: over any outage.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

/// Compares what is there, says so where something is lost, and writes it anew
/// where it is lost or old.
pub async fn look(idp: &Idp) -> Result<(), StoreError> {
    let store = idp.records.store();
    let (value, listed) = tokio::try_join!(store.get(VALUE), store.score(LIST, MEMBER))?;
    let value = value.as_deref().and_then(moment);
    let is_lost = value.is_some() && value > listed;
    if is_lost {
        idp.meters.unlisted(Unlisted::Probe);
    }
    let now = idp.now();
    if !is_lost && value.is_some_and(|written| now < written + ANEW) {
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

fn moment(text: &[u8]) -> Option<Timestamp> {
    let millis = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(Timestamp::from_millis(millis))
}
