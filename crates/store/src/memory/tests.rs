//! The contract, and the bounds of memory.

use kit::clock::ManualClock;

use super::*;
use crate::contract::{self, Time};

const MINUTE: Duration = Duration::from_secs(60);

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_keeps_the_contract() {
    let clock = clock();
    let store = Arc::new(MemoryStore::new(clock.clone()));
    contract::check(store, Time::Manual(&clock)).await.unwrap();
}

#[tokio::test]
async fn an_entry_expires_to_the_millisecond() {
    let clock = clock();
    let store = MemoryStore::new(clock.clone());
    store
        .put("k", Bytes::from_static(b"v"), MINUTE)
        .await
        .unwrap();
    clock.advance(Duration::from_millis(59_999));
    assert!(store.get("k").await.unwrap().is_some());
    clock.advance(Duration::from_millis(1));
    assert!(store.get("k").await.unwrap().is_none());
    assert!(store.take("k").await.unwrap().is_none());
}

#[tokio::test]
async fn what_has_expired_gives_its_memory_back_as_others_write() {
    let clock = clock();
    let store = MemoryStore::new(clock.clone());
    for n in 0..1000 {
        store
            .put(&format!("old-{n}"), Bytes::new(), MINUTE)
            .await
            .unwrap();
    }
    clock.advance(MINUTE);
    for n in 0..1000 {
        store
            .put(&format!("new-{n}"), Bytes::new(), MINUTE)
            .await
            .unwrap();
    }
    assert_eq!(store.held(), 1000);
}

#[tokio::test]
async fn overwriting_one_key_does_not_grow_the_store() {
    let store = MemoryStore::new(clock());
    for _ in 0..1000 {
        store.put("k", Bytes::new(), MINUTE).await.unwrap();
    }
    assert_eq!(store.held(), 1);
    let indexed: usize = store
        .shards
        .iter()
        .map(|shard| shard.lock().indexed())
        .sum();
    assert_eq!(indexed, 1);
}

#[tokio::test]
async fn sets_share_room_for_members_and_give_it_back() {
    let clock = clock();
    let store = MemoryStore::with_max_entries(clock.clone(), 32);
    let members = || store.shards[0].lock().all_members();
    let add_scored = |key, n: usize| {
        let (store, member) = (&store, n.to_string());
        async move {
            store
                .add_scored(key, &member, Timestamp::default(), MINUTE)
                .await
        }
    };
    for n in 0..16 {
        add_scored("a", n).await.unwrap();
        add_scored("b", n).await.unwrap();
    }
    assert!(matches!(
        add_scored("a", 16).await,
        Err(StoreError::Refused(_))
    ));
    assert!(matches!(
        add_scored("c", 16).await,
        Err(StoreError::Refused(_))
    ));
    add_scored("a", 0).await.unwrap();
    assert!(store.remove_scored("a", "0").await.unwrap());
    add_scored("c", 16).await.unwrap();
    assert!(store.remove("b").await.unwrap());
    store.put("c", Bytes::new(), MINUTE).await.unwrap();
    assert_eq!((members(), store.held()), (15, 2));
    clock.advance(MINUTE);
    add_scored("a", 1).await.unwrap();
    assert_eq!(members(), 1, "the expired ones are gone");
}

#[tokio::test]
async fn no_set_has_a_bound_that_refuses_the_next_member() {
    let store = MemoryStore::new(clock());
    let mut count = 0;
    for n in 0..200_001_usize {
        let member = n.to_string();
        count = store
            .add_scored("k", &member, Timestamp::default(), MINUTE)
            .await
            .unwrap();
    }
    assert_eq!(count, 200_001);
}

#[tokio::test]
async fn a_full_store_refuses_new_keys_until_others_expire() {
    let clock = clock();
    let store = MemoryStore::with_max_entries(clock.clone(), 32);
    let mut kept = Vec::new();
    let mut refused = Vec::new();
    for n in 0..500 {
        let key = format!("k{n}");
        match store.put(&key, Bytes::new(), MINUTE).await {
            Ok(()) => kept.push(key),
            Err(StoreError::Refused(_)) => refused.push(key),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((kept.len(), store.held()), (32, 32));
    for key in &kept {
        store
            .put(key, Bytes::from_static(b"again"), MINUTE)
            .await
            .unwrap();
    }
    assert!(store.increment(&refused[0], MINUTE).await.is_err());
    assert!(store.lease(&refused[0], "me", MINUTE).await.is_err());
    assert!(
        store
            .put_new(&refused[0], Bytes::new(), MINUTE)
            .await
            .is_err()
    );
    clock.advance(MINUTE);
    store.put(&refused[0], Bytes::new(), MINUTE).await.unwrap();
}
