//! Ordered sets: members by score, and the queue that `claim` makes of them.

use std::sync::Arc;

use kit::clock::Timestamp;

use super::{CONTENDERS, LONG, bytes, contend, winners};
use crate::{MAX_MEMBER_LEN, Store, StoreError};

/// A score of a realistic size, so that a store must keep every digit.
fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

const EARLIEST: Timestamp = Timestamp::from_millis(0);

async fn members(store: &impl Store, key: &str) -> Result<Vec<String>, StoreError> {
    let found = store.range(key, EARLIEST, usize::MAX).await?;
    Ok(found.into_iter().map(|(member, _)| member).collect())
}

pub(super) async fn members_are_ordered_by_score_and_then_by_name(
    store: &impl Store,
) -> Result<(), StoreError> {
    const KEY: &str = "set-order";
    assert_eq!(store.range(KEY, EARLIEST, 9).await?, [], "no set");
    for (member, score) in [("c", 3), ("b", 1), ("", 1), ("a", 3), ("d", 2)] {
        store.add_scored(KEY, member, at(score), LONG).await?;
    }
    let all = [("", 1), ("b", 1), ("d", 2), ("a", 3), ("c", 3)].map(|(m, ms)| (m.into(), at(ms)));
    assert_eq!(
        store.range(KEY, EARLIEST, 9).await?,
        all,
        "members of one score by name"
    );
    assert_eq!(store.range(KEY, at(1), 9).await?, all, "`from` is included");
    assert_eq!(store.range(KEY, at(2), 9).await?, all[2..], "higher scores");
    assert_eq!(store.range(KEY, at(2), 2).await?, all[2..4], "limited");
    assert_eq!(store.range(KEY, at(2), 0).await?, [], "a limit of zero");
    assert_eq!(store.range(KEY, at(4), 9).await?, [], "no score so high");
    store.add_scored(KEY, "c", at(0), LONG).await?;
    assert_eq!(
        members(store, KEY).await?,
        ["c", "", "b", "d", "a"],
        "moved"
    );
    Ok(())
}

pub(super) async fn count_range_counts_members_from_a_score(
    store: &impl Store,
) -> Result<(), StoreError> {
    const KEY: &str = "set-count";
    assert_eq!(store.count_range(KEY, EARLIEST).await?, 0, "no set");
    for (member, score) in [("a", 1), ("b", 2), ("c", 2), ("d", 3)] {
        store.add_scored(KEY, member, at(score), LONG).await?;
    }
    assert_eq!(store.count_range(KEY, EARLIEST).await?, 4);
    for (score, count) in [(1, 4), (2, 3), (3, 1), (4, 0)] {
        assert_eq!(store.count_range(KEY, at(score)).await?, count, "{score}");
    }
    Ok(())
}

pub(super) async fn remove_scored_returns_whether_it_was_a_member(
    store: &impl Store,
) -> Result<(), StoreError> {
    const KEY: &str = "set-remove";
    assert!(!store.remove_scored(KEY, "a").await?, "no set");
    store.add_scored(KEY, "a", at(1), LONG).await?;
    store.add_scored(KEY, "b", at(2), LONG).await?;
    assert_eq!(store.score(KEY, "a").await?, Some(at(1)), "a member");
    assert_eq!(store.score(KEY, "c").await?, None, "not in");
    assert_eq!(store.score("set-none", "a").await?, None, "no set");
    assert!(!store.remove_scored(KEY, "c").await?, "not in");
    assert!(store.remove_scored(KEY, "a").await?, "in");
    assert!(!store.remove_scored(KEY, "a").await?, "taken out before");
    assert_eq!(members(store, KEY).await?, ["b"], "the other stays");
    assert!(store.remove_scored(KEY, "b").await?, "the last");
    assert!(!store.remove(KEY).await?, "a set ends with its last member");
    Ok(())
}

pub(super) async fn claim_returns_due_members_and_postpones_them(
    store: &impl Store,
) -> Result<(), StoreError> {
    const KEY: &str = "set-claim";
    assert_eq!(store.claim(KEY, at(9), at(10), 9).await?, [""; 0], "no set");
    for (member, score) in [("b", 2), ("a", 1), ("c", 3), ("later", 4)] {
        store.add_scored(KEY, member, at(score), LONG).await?;
    }
    assert_eq!(
        store.claim(KEY, at(0), at(10), 9).await?,
        [""; 0],
        "not due"
    );
    assert_eq!(
        store.claim(KEY, at(3), at(10), 0).await?,
        [""; 0],
        "a limit of zero"
    );
    assert_eq!(
        store.claim(KEY, at(3), at(10), 2).await?,
        ["a", "b"],
        "the earliest"
    );
    assert_eq!(
        store.claim(KEY, at(3), at(10), 9).await?,
        ["c"],
        "what is left"
    );
    assert_eq!(
        members(store, KEY).await?,
        ["later", "a", "b", "c"],
        "moved"
    );
    store.remove_scored(KEY, "a").await?;
    assert_eq!(
        store.claim(KEY, at(9), at(20), 9).await?,
        ["later"],
        "the others are claimed"
    );
    assert_eq!(
        store.claim(KEY, at(10), at(20), 9).await?,
        ["b", "c"],
        "not done: due again"
    );
    Ok(())
}

pub(super) async fn concurrent_claims_share_no_member(
    store: &Arc<impl Store>,
) -> Result<(), StoreError> {
    const KEY: &str = "set-claim-many";
    let added = contend(store, |store, n| async move {
        for part in 0..3_usize {
            let value = i64::try_from(n % 7).unwrap_or_default();
            store
                .add_scored(KEY, &format!("{n}-{part}"), at(value), LONG)
                .await?;
        }
        Ok(())
    });
    added.await?;
    let everything = CONTENDERS * 3;
    assert_eq!(
        members(&**store, KEY).await?.len(),
        everything,
        "every member was added"
    );
    let claimed = contend(store, |store, _| async move {
        store.claim(KEY, at(7), at(100), 5).await
    });
    let mut claimed = claimed.await?.concat();
    claimed.sort_unstable();
    let count = claimed.len();
    claimed.dedup();
    assert_eq!(
        (claimed.len(), count),
        (everything, everything),
        "each member once"
    );
    Ok(())
}

pub(super) async fn of_concurrent_removals_one_succeeds(
    store: &Arc<impl Store>,
) -> Result<(), StoreError> {
    const KEY: &str = "set-remove-many";
    store.add_scored(KEY, "done", at(1), LONG).await?;
    let outcomes = contend(store, |store, _| async move {
        store.remove_scored(KEY, "done").await
    });
    assert_eq!(winners(&outcomes.await?), 1, "one removal of many");
    Ok(())
}

pub(super) async fn a_member_has_a_maximum_length(store: &impl Store) -> Result<(), StoreError> {
    const KEY: &str = "set-bound";
    let longest = "m".repeat(MAX_MEMBER_LEN);
    store.add_scored(KEY, &longest, at(1), LONG).await?;
    let refused = store
        .add_scored(KEY, &format!("{longest}m"), at(1), LONG)
        .await;
    assert!(
        matches!(refused, Err(StoreError::Refused(_))),
        "{refused:?}"
    );
    assert_eq!(
        members(store, KEY).await?,
        [longest],
        "only the longest member"
    );
    Ok(())
}

pub(super) async fn a_set_and_a_value_refuse_each_others_operations(
    store: &impl Store,
) -> Result<(), StoreError> {
    fn refused<T: std::fmt::Debug>(what: &str, outcome: &Result<T, StoreError>) {
        assert!(
            matches!(outcome, Err(StoreError::Refused(_))),
            "{what}: {outcome:?}"
        );
    }
    store.add_scored("set", "member", at(1), LONG).await?;
    refused("get", &store.get("set").await);
    refused("take", &store.take("set").await);
    refused(
        "swap",
        &store.compare_and_swap("set", b"x", bytes("y"), LONG).await,
    );
    refused("increment", &store.increment("set", LONG).await);
    refused("lease", &store.lease("set", "me", LONG).await);
    refused("release", &store.release("set", "me").await);
    assert!(
        !store.put_new("set", bytes("x"), LONG).await?,
        "the key is not absent"
    );
    assert_eq!(members(store, "set").await?, ["member"], "unchanged");

    store.put("set", bytes("x"), LONG).await?;
    refused(
        "add_scored",
        &store.add_scored("set", "member", at(1), LONG).await,
    );
    refused("range", &store.range("set", EARLIEST, 1).await);
    refused("remove_scored", &store.remove_scored("set", "member").await);
    refused("claim", &store.claim("set", at(1), at(2), 1).await);
    assert_eq!(
        store.take("set").await?,
        Some(bytes("x")),
        "`put` replaces the set"
    );
    Ok(())
}
