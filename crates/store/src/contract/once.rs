//! Operations that succeed once, however many tasks attempt them.

use std::sync::Arc;

use super::{LONG, bytes, contend, winners};
use crate::{Store, StoreError};

pub(super) async fn put_new_sets_an_absent_key_only(store: &impl Store) -> Result<(), StoreError> {
    assert!(
        store.put_new("new", bytes("one"), LONG).await?,
        "an absent key"
    );
    assert!(
        !store.put_new("new", bytes("two"), LONG).await?,
        "the key holds a value"
    );
    assert_eq!(
        store.get("new").await?,
        Some(bytes("one")),
        "the first stays"
    );
    store.remove("new").await?;
    assert!(
        store.put_new("new", bytes("two"), LONG).await?,
        "removed before"
    );
    Ok(())
}

pub(super) async fn of_concurrent_put_new_calls_one_succeeds(
    store: &Arc<impl Store>,
) -> Result<(), StoreError> {
    let outcomes = contend(store, |store, n| async move {
        store.put_new("new-many", n.to_string().into(), LONG).await
    });
    assert_eq!(winners(&outcomes.await?), 1, "one put_new of many");
    Ok(())
}

pub(super) async fn take_removes_the_key(store: &impl Store) -> Result<(), StoreError> {
    assert_eq!(store.take("take").await?, None, "nothing to take");
    store.put("take", bytes("once"), LONG).await?;
    assert_eq!(store.take("take").await?, Some(bytes("once")), "taken");
    assert_eq!(store.take("take").await?, None, "taken before");
    assert_eq!(store.get("take").await?, None, "read after it was taken");
    Ok(())
}

pub(super) async fn of_concurrent_takes_one_gets_the_value(
    store: &Arc<impl Store>,
) -> Result<(), StoreError> {
    store.put("take-many", bytes("once"), LONG).await?;
    let outcomes = contend(store, |store, _| async move {
        Ok(store.take("take-many").await?.is_some())
    });
    assert_eq!(winners(&outcomes.await?), 1, "one take of many");
    Ok(())
}

pub(super) async fn compare_and_swap_replaces_the_expected_value_only(
    store: &impl Store,
) -> Result<(), StoreError> {
    let swap = |old: &'static str, new| store.compare_and_swap("cas", old.as_bytes(), new, LONG);
    assert!(
        !swap("", bytes("new")).await?,
        "an absent key does not hold the empty value"
    );
    assert_eq!(store.get("cas").await?, None, "a swap creates no key");
    store.put("cas", bytes("one"), LONG).await?;
    assert!(
        !swap("on", bytes("new")).await?,
        "a prefix is not the value"
    );
    assert!(
        !swap("one ", bytes("new")).await?,
        "the value is not a prefix"
    );
    assert_eq!(store.get("cas").await?, Some(bytes("one")), "unchanged");
    assert!(swap("one", bytes("two")).await?, "the expected value");
    assert!(!swap("one", bytes("three")).await?, "swapped before");
    assert_eq!(store.get("cas").await?, Some(bytes("two")), "swapped once");
    store.remove("cas").await?;
    assert!(
        !swap("two", bytes("three")).await?,
        "a swap does not restore a removed key"
    );
    assert_eq!(store.get("cas").await?, None, "still removed");
    Ok(())
}

pub(super) async fn of_concurrent_swaps_one_succeeds(
    store: &Arc<impl Store>,
) -> Result<(), StoreError> {
    store.put("cas-many", bytes("old"), LONG).await?;
    let outcomes = contend(store, |store, n| async move {
        store
            .compare_and_swap("cas-many", b"old", n.to_string().into(), LONG)
            .await
    });
    let outcomes = outcomes.await?;
    assert_eq!(winners(&outcomes), 1, "one swap of many");
    assert_ne!(
        store.get("cas-many").await?,
        Some(bytes("old")),
        "the winner's value is there"
    );
    Ok(())
}
