//! Lifetimes: what has expired counts as absent to each operation.

use std::time::Duration;

use kit::clock::Timestamp;

use super::{LONG, SHORT, Time, bytes};
use crate::{Store, StoreError};

const EARLIEST: Timestamp = Timestamp::from_millis(0);

pub(super) async fn a_ttl_of_zero_expires_at_once(
    store: &impl Store,
    time: Time<'_>,
) -> Result<(), StoreError> {
    const NONE: Duration = Duration::ZERO;
    store.put("zero-put", bytes("x"), NONE).await?;
    store.put_new("zero-new", bytes("x"), NONE).await?;
    store.put("zero-cas", bytes("x"), LONG).await?;
    store
        .compare_and_swap("zero-cas", b"x", bytes("y"), NONE)
        .await?;
    store.increment("zero-count", NONE).await?;
    store.lease("zero-lease", "me", NONE).await?;
    store.add_scored("zero-set", "a", EARLIEST, NONE).await?;
    time.pass(Duration::from_millis(1)).await;
    for key in [
        "zero-put",
        "zero-new",
        "zero-cas",
        "zero-count",
        "zero-lease",
    ] {
        assert_eq!(store.get(key).await?, None, "{key}");
    }
    assert_eq!(store.range("zero-set", EARLIEST, 1).await?, []);
    Ok(())
}

/// All kinds at once, so that the suite waits only once for a store with its own
/// clock.
pub(super) async fn everything_expires(
    store: &impl Store,
    time: Time<'_>,
) -> Result<(), StoreError> {
    write_twice(store).await?;
    for key in [
        "exp-put",
        "exp-put-shorter",
        "exp-new",
        "exp-cas-shorter",
        "exp-lease",
    ] {
        assert!(store.get(key).await?.is_some(), "{key} before its end");
    }

    time.pass(SHORT).await;

    for key in ["exp-put-shorter", "exp-cas-shorter", "exp-cas-failed"] {
        assert_eq!(store.get(key).await?, None, "{key} after its end");
    }
    for key in ["exp-put-longer", "exp-cas-longer"] {
        assert!(store.get(key).await?.is_some(), "{key} was extended");
    }
    each_operation_finds_nothing(store).await
}

/// The ttl of the last write applies, whichever operation wrote; but a counter keeps its
/// first: its period does not move with each increment.
async fn write_twice(store: &impl Store) -> Result<(), StoreError> {
    store.put("exp-put", bytes("x"), SHORT).await?;
    store.put("exp-put-longer", bytes("x"), SHORT).await?;
    store.put("exp-put-longer", bytes("x"), LONG).await?;
    store.put("exp-put-shorter", bytes("x"), LONG).await?;
    store.put("exp-put-shorter", bytes("x"), SHORT).await?;
    store.put_new("exp-new", bytes("x"), SHORT).await?;
    store.put_new("exp-new", bytes("x"), LONG).await?;
    store.put("exp-cas-longer", bytes("x"), SHORT).await?;
    store
        .compare_and_swap("exp-cas-longer", b"x", bytes("y"), LONG)
        .await?;
    store.put("exp-cas-shorter", bytes("x"), LONG).await?;
    store
        .compare_and_swap("exp-cas-shorter", b"x", bytes("y"), SHORT)
        .await?;
    store.put("exp-cas-failed", bytes("x"), SHORT).await?;
    store
        .compare_and_swap("exp-cas-failed", b"other", bytes("y"), LONG)
        .await?;
    store.lease("exp-lease", "me", SHORT).await?;
    store.lease("exp-lease", "you", LONG).await?;
    store.lease("exp-lease-longer", "me", SHORT).await?;
    store.lease("exp-lease-longer", "me", LONG).await?;
    store.increment("exp-count", SHORT).await?;
    assert_eq!(
        store.increment("exp-count", LONG).await?,
        2,
        "counted in one period"
    );
    Ok(())
}

/// Of what [`write_twice`] wrote and has expired.
async fn each_operation_finds_nothing(store: &impl Store) -> Result<(), StoreError> {
    assert_eq!(store.take("exp-put").await?, None, "take after the end");
    assert!(!store.remove("exp-new").await?, "remove after the end");
    assert!(
        !store
            .compare_and_swap("exp-new", b"x", bytes("y"), LONG)
            .await?,
        "swap after it"
    );
    assert!(
        store.put_new("exp-new", bytes("z"), LONG).await?,
        "put_new after it"
    );
    assert!(
        !store.release("exp-lease", "me").await?,
        "release after the end"
    );
    assert!(
        store.lease("exp-lease", "you", LONG).await?,
        "another's lease after it"
    );
    assert!(
        !store.lease("exp-lease-longer", "you", LONG).await?,
        "an extended lease"
    );
    assert_eq!(store.increment("exp-count", LONG).await?, 1, "a new period");
    Ok(())
}

/// A set lasts for the longest ttl of its additions.
pub(super) async fn an_ordered_set_expires(
    store: &impl Store,
    time: Time<'_>,
) -> Result<(), StoreError> {
    const LATER: Timestamp = Timestamp::from_secs(600);
    for (key, lifetimes) in [
        ("exp-set", &[SHORT][..]),
        ("exp-set-again", &[SHORT, SHORT]),
        ("exp-set-claimed", &[SHORT]),
        ("exp-set-longer", &[SHORT, LONG]),
        ("exp-set-no-shorter", &[LONG, SHORT]),
    ] {
        for ttl in lifetimes {
            store.add_scored(key, "a", EARLIEST, *ttl).await?;
        }
    }
    let claimed = store.claim("exp-set-claimed", EARLIEST, LATER, 1).await?;
    assert_eq!(claimed, ["a"], "before its end");

    time.pass(SHORT).await;

    for key in ["exp-set", "exp-set-again", "exp-set-claimed"] {
        assert_eq!(store.range(key, EARLIEST, 1).await?, [], "{key}");
        let claimed = store.claim(key, LATER, LATER, 1).await?;
        assert!(claimed.is_empty(), "{key} claimed after its end");
        assert!(!store.remove_scored(key, "a").await?, "{key} after its end");
    }
    store.add_scored("exp-set", "b", EARLIEST, LONG).await?;
    let anew = store.range("exp-set", EARLIEST, 9).await?;
    assert_eq!(anew, [("b".to_owned(), EARLIEST)], "a new set");
    for key in ["exp-set-longer", "exp-set-no-shorter"] {
        assert!(store.remove_scored(key, "a").await?, "{key} was extended");
    }
    Ok(())
}
