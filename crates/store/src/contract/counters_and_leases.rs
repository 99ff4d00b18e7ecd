//! Counters and leases.

use std::sync::Arc;

use super::{CONTENDERS, LONG, SHORT, Time, bytes, contend, winners};
use crate::{Store, StoreError};

pub(super) async fn each_concurrent_increment_returns_its_own_sum(
    store: &Arc<impl Store>,
) -> Result<(), StoreError> {
    let sums = contend(store, |store, _| async move {
        store.increment("increment-many", LONG).await
    });
    let mut sums = sums.await?;
    sums.sort_unstable();
    assert!(sums.into_iter().eq(1..=CONTENDERS as u64), "each sum once");
    store.remove("increment-many").await?;
    assert_eq!(
        store.increment("increment-many", LONG).await?,
        1,
        "a removed counter begins again"
    );
    Ok(())
}

pub(super) async fn increment_refuses_a_value_that_is_no_counter(
    store: &impl Store,
) -> Result<(), StoreError> {
    store.put("increment-no", bytes("three"), LONG).await?;
    let refused = store.increment("increment-no", LONG).await;
    assert!(
        matches!(refused, Err(StoreError::Refused(_))),
        "a word is no counter: {refused:?}"
    );
    assert_eq!(
        store.get("increment-no").await?,
        Some(bytes("three")),
        "unchanged"
    );
    Ok(())
}

pub(super) async fn decrement_reverts_increment(store: &impl Store) -> Result<(), StoreError> {
    store.decrement("decrement").await?;
    assert_eq!(
        store.get("decrement").await?,
        None,
        "an absent counter stays absent"
    );
    for sum in 1..=3 {
        assert_eq!(store.increment("decrement", LONG).await?, sum);
    }
    store.decrement("decrement").await?;
    assert_eq!(
        store.increment("decrement", LONG).await?,
        3,
        "decremented once"
    );
    for _ in 0..3 {
        store.decrement("decrement").await?;
    }
    assert_eq!(store.get("decrement").await?, None, "removed at zero");
    store.put("decrement-no", bytes("three"), LONG).await?;
    let refused = store.decrement("decrement-no").await;
    assert!(
        matches!(refused, Err(StoreError::Refused(_))),
        "{refused:?}"
    );
    Ok(())
}

pub(super) async fn decrement_keeps_the_expiry(
    store: &impl Store,
    time: Time<'_>,
) -> Result<(), StoreError> {
    store.increment("decrement-ttl", SHORT).await?;
    store.increment("decrement-ttl", SHORT).await?;
    store.decrement("decrement-ttl").await?;
    assert_eq!(store.get("decrement-ttl").await?, Some(bytes("1")));
    time.pass(SHORT).await;
    assert_eq!(
        store.get("decrement-ttl").await?,
        None,
        "expired with its first ttl"
    );
    Ok(())
}

pub(super) async fn a_lease_has_one_holder(store: &impl Store) -> Result<(), StoreError> {
    assert!(store.lease("lease", "me", LONG).await?, "a free lease");
    assert!(!store.lease("lease", "you", LONG).await?, "held by another");
    assert!(
        store.lease("lease", "me", LONG).await?,
        "extended by its holder"
    );
    assert!(store.release("lease", "me").await?, "released");
    assert!(store.lease("lease", "you", LONG).await?, "free again");
    assert!(
        !store.lease("lease", "me", LONG).await?,
        "the former holder has no precedence"
    );
    Ok(())
}

pub(super) async fn of_concurrent_lease_calls_one_succeeds(
    store: &Arc<impl Store>,
) -> Result<(), StoreError> {
    let outcomes = contend(store, |store, n| async move {
        store
            .lease("lease-many", &format!("holder-{n}"), LONG)
            .await
    });
    assert_eq!(winners(&outcomes.await?), 1, "one holder of many");
    Ok(())
}

pub(super) async fn only_the_holder_releases_a_lease(store: &impl Store) -> Result<(), StoreError> {
    assert!(!store.release("release", "me").await?, "nothing to release");
    store.lease("release", "me", LONG).await?;
    assert!(!store.release("release", "you").await?, "not the holder");
    assert!(!store.lease("release", "you", LONG).await?, "still held");
    assert!(store.release("release", "me").await?, "the holder");
    assert!(!store.release("release", "me").await?, "released before");
    Ok(())
}
