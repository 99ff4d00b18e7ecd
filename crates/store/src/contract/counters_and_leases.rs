//! Counters that lose nothing, and leases that one holder has.

use std::sync::Arc;

use super::{CONTENDERS, LONG, SHORT, Time, bytes, contend, winners};
use crate::{Store, StoreError};

pub(super) async fn count_gives_each_of_many_a_sum_of_its_own(
    store: &Arc<impl Store>,
) -> Result<(), StoreError> {
    let sums = contend(store, |store, _| async move {
        store.increment("count-many", LONG).await
    });
    let mut sums = sums.await?;
    sums.sort_unstable();
    assert!(sums.into_iter().eq(1..=CONTENDERS as u64), "each sum once");
    store.remove("count-many").await?;
    assert_eq!(
        store.increment("count-many", LONG).await?,
        1,
        "a removed counter begins again"
    );
    Ok(())
}

pub(super) async fn count_refuses_what_is_no_counter(store: &impl Store) -> Result<(), StoreError> {
    store.put("count-no", bytes("three"), LONG).await?;
    let refused = store.increment("count-no", LONG).await;
    assert!(
        matches!(refused, Err(StoreError::Refused(_))),
        "a word was counted: {refused:?}"
    );
    assert_eq!(
        store.get("count-no").await?,
        Some(bytes("three")),
        "left as it was"
    );
    Ok(())
}

pub(super) async fn uncount_takes_back_what_was_counted(
    store: &impl Store,
) -> Result<(), StoreError> {
    store.decrement("uncount").await?;
    assert_eq!(store.get("uncount").await?, None, "nothing stays nothing");
    for sum in 1..=3 {
        assert_eq!(store.increment("uncount", LONG).await?, sum);
    }
    store.decrement("uncount").await?;
    assert_eq!(
        store.increment("uncount", LONG).await?,
        3,
        "one was taken back"
    );
    for _ in 0..3 {
        store.decrement("uncount").await?;
    }
    assert_eq!(store.get("uncount").await?, None, "at zero it is gone");
    store.put("uncount-no", bytes("three"), LONG).await?;
    let refused = store.decrement("uncount-no").await;
    assert!(
        matches!(refused, Err(StoreError::Refused(_))),
        "{refused:?}"
    );
    Ok(())
}

pub(super) async fn uncount_keeps_the_time_when_a_counter_ends(
    store: &impl Store,
    time: Time<'_>,
) -> Result<(), StoreError> {
    store.increment("uncount-ttl", SHORT).await?;
    store.increment("uncount-ttl", SHORT).await?;
    store.decrement("uncount-ttl").await?;
    assert_eq!(store.get("uncount-ttl").await?, Some(bytes("1")));
    time.pass(SHORT).await;
    assert_eq!(
        store.get("uncount-ttl").await?,
        None,
        "it ended in its time"
    );
    Ok(())
}

pub(super) async fn a_lease_is_one_holders(store: &impl Store) -> Result<(), StoreError> {
    assert!(store.lease("lease", "me", LONG).await?, "a free lease");
    assert!(!store.lease("lease", "you", LONG).await?, "held by another");
    assert!(
        store.lease("lease", "me", LONG).await?,
        "prolonged by its holder"
    );
    assert!(store.release("lease", "me").await?, "given back");
    assert!(store.lease("lease", "you", LONG).await?, "free again");
    assert!(
        !store.lease("lease", "me", LONG).await?,
        "the former holder waits as others do"
    );
    Ok(())
}

pub(super) async fn a_lease_goes_to_one_of_many(store: &Arc<impl Store>) -> Result<(), StoreError> {
    let outcomes = contend(store, |store, n| async move {
        store
            .lease("lease-many", &format!("holder-{n}"), LONG)
            .await
    });
    assert_eq!(winners(&outcomes.await?), 1, "one holder of many");
    Ok(())
}

pub(super) async fn only_the_holder_releases(store: &impl Store) -> Result<(), StoreError> {
    assert!(!store.release("release", "me").await?, "nothing to release");
    store.lease("release", "me", LONG).await?;
    assert!(!store.release("release", "you").await?, "not the holder");
    assert!(!store.lease("release", "you", LONG).await?, "still held");
    assert!(store.release("release", "me").await?, "the holder");
    assert!(!store.release("release", "me").await?, "released before");
    Ok(())
}
