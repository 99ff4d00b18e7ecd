//! The contract suite, and the limits of memory.

use kit::clock::ManualClock;

use super::*;
use crate::contract::{self, Time};

const MINUTE: Duration = Duration::from_secs(60);

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)))
}

/// The number of entries, expired ones included, by key and by expiry.
fn sizes(store: &MemoryStore) -> (usize, usize) {
    let sizes = store.shards.iter().map(|shard| shard.lock().sizes());
    sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_store_passes_the_contract_suite() {
    let clock = clock();
    let store = Arc::new(MemoryStore::new(clock.clone()));
    contract::check(store, Time::Manual(&clock)).await.unwrap();
}

#[tokio::test]
async fn an_entry_expires_to_the_millisecond() {
    let clock = clock();
    let store = MemoryStore::new(clock.clone());
    let value = Bytes::from_static(b"v");
    store.put("k", value, MINUTE).await.unwrap();
    clock.advance(Duration::from_millis(59_999));
    assert!(store.get("k").await.unwrap().is_some());
    clock.advance(Duration::from_millis(1));
    assert!(store.get("k").await.unwrap().is_none());
    assert!(store.take("k").await.unwrap().is_none());
}

#[tokio::test]
async fn later_writes_free_the_memory_of_expired_entries() {
    let clock = clock();
    let store = MemoryStore::new(clock.clone());
    for kind in ["old", "new"] {
        clock.advance(MINUTE);
        for n in 0..1000 {
            let key = format!("{kind}-{n}");
            store.put(&key, Bytes::new(), MINUTE).await.unwrap();
        }
    }
    assert_eq!(sizes(&store), (1000, 1000));
}

#[tokio::test]
async fn overwriting_one_key_does_not_grow_the_store() {
    let store = MemoryStore::new(clock());
    for _ in 0..1000 {
        store.put("k", Bytes::new(), MINUTE).await.unwrap();
    }
    assert_eq!(sizes(&store), (1, 1));
}

#[tokio::test]
async fn ordered_sets_share_one_limit_of_members() {
    let clock = clock();
    // Each shard has room for three keys: they may be in the same one.
    let store = MemoryStore::with_max_entries(clock.clone(), 48);
    let members = || store.shards[0].lock().members();
    let add = async |key, n: usize| {
        let (member, at) = (n.to_string(), Timestamp::default());
        store.add_scored(key, &member, at, MINUTE).await
    };
    for n in 0..24 {
        add("a", n).await.unwrap();
        add("b", n).await.unwrap();
    }
    for key in ["a", "c"] {
        let refused = add(key, 24).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{key}");
    }
    add("a", 0).await.unwrap();
    assert!(store.remove_scored("a", "0").await.unwrap());
    add("c", 24).await.unwrap();
    assert!(store.remove("b").await.unwrap());
    store.put("c", Bytes::new(), MINUTE).await.unwrap();
    assert_eq!((members(), sizes(&store).0), (23, 2));
    clock.advance(MINUTE);
    add("a", 1).await.unwrap();
    assert_eq!(members(), 1, "the expired members are gone");
}

#[tokio::test]
async fn an_ordered_set_has_no_size_limit() {
    let store = MemoryStore::new(clock());
    let mut count = 0;
    for n in 0..200_001_usize {
        let (member, at) = (n.to_string(), Timestamp::default());
        count = store.add_scored("k", &member, at, MINUTE).await.unwrap();
    }
    assert_eq!(count, 200_001);
}

#[tokio::test]
async fn a_full_store_refuses_new_keys_until_others_expire() {
    let clock = clock();
    let store = MemoryStore::with_max_entries(clock.clone(), 32);
    let (mut stored, mut refused) = (Vec::new(), Vec::new());
    for n in 0..500 {
        let key = format!("k{n}");
        match store.put(&key, Bytes::new(), MINUTE).await {
            Ok(()) => stored.push(key),
            Err(StoreError::Refused(_)) => refused.push(key),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((stored.len(), sizes(&store).0), (32, 32));
    for key in &stored {
        let value = Bytes::from_static(b"again");
        store.put(key, value, MINUTE).await.unwrap();
    }
    let new = &refused[0];
    assert!(store.increment(new, MINUTE).await.is_err());
    assert!(store.lease(new, "me", MINUTE).await.is_err());
    assert!(store.put_new(new, Bytes::new(), MINUTE).await.is_err());
    clock.advance(MINUTE);
    store.put(new, Bytes::new(), MINUTE).await.unwrap();
}
