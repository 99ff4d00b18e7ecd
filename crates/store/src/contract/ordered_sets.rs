//! Ordered sets: an order by moments, and a queue that hands each member to one.

use std::sync::Arc;

use kit::clock::Timestamp;

use super::{CONTENDERS, LONG, bytes, contend, winners};
use crate::{MAX_MEMBER_LEN, Store, StoreError};

/// A moment of these tests: of this time, so that a store loses no digit.
fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

const EARLIEST: Timestamp = Timestamp::from_millis(0);

async fn members(store: &impl Store, key: &str) -> Result<Vec<String>, StoreError> {
    let ranked = store.range(key, EARLIEST, usize::MAX).await?;
    Ok(ranked.into_iter().map(|(member, _)| member).collect())
}

pub(super) async fn members_are_in_the_order_of_their_moments(
    store: &impl Store,
) -> Result<(), StoreError> {
    const KEY: &str = "set-order";
    assert_eq!(store.range(KEY, EARLIEST, 9).await?, [], "no set");
    for (member, moment) in [("c", 3), ("b", 1), ("", 1), ("a", 3), ("d", 2)] {
        store.add_scored(KEY, member, at(moment), LONG).await?;
    }
    let all = [("", 1), ("b", 1), ("d", 2), ("a", 3), ("c", 3)].map(|(m, ms)| (m.into(), at(ms)));
    assert_eq!(
        store.range(KEY, EARLIEST, 9).await?,
        all,
        "of a moment: by name"
    );
    assert_eq!(store.range(KEY, at(1), 9).await?, all, "its moment is in");
    assert_eq!(store.range(KEY, at(2), 9).await?, all[2..], "later ones");
    assert_eq!(
        store.range(KEY, at(2), 2).await?,
        all[2..4],
        "as many as asked"
    );
    assert_eq!(store.range(KEY, at(2), 0).await?, [], "none asked");
    assert_eq!(store.range(KEY, at(4), 9).await?, [], "none so late");
    store.add_scored(KEY, "c", at(0), LONG).await?;
    assert_eq!(
        members(store, KEY).await?,
        ["c", "", "b", "d", "a"],
        "moved"
    );
    Ok(())
}

pub(super) async fn members_are_counted_from_a_moment_on(
    store: &impl Store,
) -> Result<(), StoreError> {
    const KEY: &str = "set-count";
    assert_eq!(store.count_range(KEY, EARLIEST).await?, 0, "no set");
    for (member, moment) in [("a", 1), ("b", 2), ("c", 2), ("d", 3)] {
        store.add_scored(KEY, member, at(moment), LONG).await?;
    }
    assert_eq!(store.count_range(KEY, EARLIEST).await?, 4);
    for (moment, count) in [(1, 4), (2, 3), (3, 1), (4, 0)] {
        assert_eq!(store.count_range(KEY, at(moment)).await?, count, "{moment}");
    }
    Ok(())
}

pub(super) async fn unrank_says_whether_it_was_in(store: &impl Store) -> Result<(), StoreError> {
    const KEY: &str = "set-unrank";
    assert!(!store.remove_scored(KEY, "a").await?, "no set");
    store.add_scored(KEY, "a", at(1), LONG).await?;
    store.add_scored(KEY, "b", at(2), LONG).await?;
    assert_eq!(store.score(KEY, "a").await?, Some(at(1)), "in");
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

pub(super) async fn claim_moves_what_is_due(store: &impl Store) -> Result<(), StoreError> {
    const KEY: &str = "set-claim";
    assert_eq!(store.claim(KEY, at(9), at(10), 9).await?, [""; 0], "no set");
    for (member, moment) in [("b", 2), ("a", 1), ("c", 3), ("later", 4)] {
        store.add_scored(KEY, member, at(moment), LONG).await?;
    }
    assert_eq!(
        store.claim(KEY, at(0), at(10), 9).await?,
        [""; 0],
        "not due"
    );
    assert_eq!(
        store.claim(KEY, at(3), at(10), 0).await?,
        [""; 0],
        "none asked"
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

pub(super) async fn claim_hands_each_member_to_one_of_many(
    store: &Arc<impl Store>,
) -> Result<(), StoreError> {
    const KEY: &str = "set-claim-many";
    let ranked = contend(store, |store, n| async move {
        for part in 0..3_usize {
            let moment = i64::try_from(n % 7).unwrap_or_default();
            store
                .add_scored(KEY, &format!("{n}-{part}"), at(moment), LONG)
                .await?;
        }
        Ok(())
    });
    ranked.await?;
    let everything = CONTENDERS * 3;
    assert_eq!(
        members(&**store, KEY).await?.len(),
        everything,
        "no rank was lost"
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
        "each to one"
    );
    Ok(())
}

pub(super) async fn unrank_is_true_for_one_of_many(
    store: &Arc<impl Store>,
) -> Result<(), StoreError> {
    const KEY: &str = "set-unrank-many";
    store.add_scored(KEY, "done", at(1), LONG).await?;
    let outcomes = contend(store, |store, _| async move {
        store.remove_scored(KEY, "done").await
    });
    assert_eq!(winners(&outcomes.await?), 1, "one unrank of many");
    Ok(())
}

pub(super) async fn a_member_is_bounded(store: &impl Store) -> Result<(), StoreError> {
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
        "the longest one alone"
    );
    Ok(())
}

pub(super) async fn a_set_is_no_value(store: &impl Store) -> Result<(), StoreError> {
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
    refused("count", &store.increment("set", LONG).await);
    refused("lease", &store.lease("set", "me", LONG).await);
    refused("release", &store.release("set", "me").await);
    assert!(
        !store.put_new("set", bytes("x"), LONG).await?,
        "there is something"
    );
    assert_eq!(members(store, "set").await?, ["member"], "left as it was");

    store.put("set", bytes("x"), LONG).await?;
    refused(
        "rank",
        &store.add_scored("set", "member", at(1), LONG).await,
    );
    refused("ranked", &store.range("set", EARLIEST, 1).await);
    refused("unrank", &store.remove_scored("set", "member").await);
    refused("claim", &store.claim("set", at(1), at(2), 1).await);
    assert_eq!(
        store.take("set").await?,
        Some(bytes("x")),
        "put over the set"
    );
    Ok(())
}
