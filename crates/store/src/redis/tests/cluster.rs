//! A cluster: its keys' ways, and what a dead master does to callers.

use super::*;
use crate::{redis::invalidations::tests::Recorder, test_redis::RedisCluster};

fn x() -> Bytes {
    Bytes::from_static(b"x")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_masters_replica_takes_over_and_nothing_acknowledged_is_lost() {
    let mut cluster = RedisCluster::start(SOON);
    let store = RedisStore::new(&cluster.url(), OPTIONS).unwrap();
    let keys: Vec<String> = (0..60).map(|n| format!("session:{n}")).collect();
    for key in &keys {
        in_the_end(async || store.put(key, x(), MINUTE * 10).await).await;
    }
    let recorder = Recorder::on(&store, "session:").await;
    // The store does not wait for replicas; the test does.
    cluster.until_replicated();
    let dead = cluster.master_of("sso-lab:session:0");
    cluster.kill(dead);
    until("not current", || !recorder.is_current()).await;

    // Until another leads, callers get what they answer 503 to.
    let mut was_away = false;
    in_the_end(async || {
        let put = store.put(&keys[0], x(), MINUTE * 10).await;
        was_away |= put.is_err();
        let trusts = recorder.is_current();
        let replaced = cluster.has_master_of("sso-lab:session:0");
        assert!(
            !trusts || replaced,
            "a master is dead, and it trusts its copies"
        );
        put
    })
    .await;
    assert!(was_away, "the master was gone for a while");
    for key in &keys {
        let kept = in_the_end(async || store.get(key).await).await;
        assert_eq!(kept, Some(x()), "{key}");
    }
    // The new master has not been sent the scripts.
    let swap = async || store.compare_and_swap(&keys[0], b"x", x(), MINUTE).await;
    assert!(in_the_end(swap).await);

    until("current again", || recorder.is_current()).await;
    let other = RedisStore::new(&cluster.url(), OPTIONS).unwrap();
    for key in &keys {
        recorder.forget();
        in_the_end(async || other.put(key, x(), MINUTE * 10).await).await;
        until("told", || recorder.was_told(key)).await;
    }
    // It comes back as a replica, and sends who asks it to the new master.
    cluster.restart(dead);
    for store in [&store, &other] {
        let kept = in_the_end(async || store.get(&keys[0]).await).await;
        assert_eq!(kept, Some(x()));
    }
}

#[tokio::test]
async fn a_key_on_the_move_is_followed_there() {
    let cluster = RedisCluster::start(CALM);
    let store = RedisStore::new(&cluster.url(), OPTIONS).unwrap();
    let recorder = Recorder::on(&store, "session:").await;
    // One slot: where it is, and where it goes.
    let key = |n: u32| format!("session:{{s}}{n}");
    let from = cluster.master_of("{s}");
    let to = (from + 1) % 3;
    store.put(&key(0), x(), MINUTE * 10).await.unwrap();
    cluster.begin_move("{s}", from, to);
    // What is not there is the new one's already, and it wants to be asked.
    assert_eq!(store.get(&key(0)).await, Ok(Some(x())));
    assert_eq!(store.get(&key(1)).await, Ok(None));
    store.put(&key(2), x(), MINUTE * 10).await.unwrap();
    assert!(store.lease(&key(3), "me", MINUTE).await.unwrap());
    let swapped = store.compare_and_swap(&key(4), b"x", x(), MINUTE).await;
    assert_eq!(swapped, Ok(false));
    let there = cluster.servers()[to].ask("INFO keyspace");
    assert!(there.contains("keys="), "{there}");
    until("told by the new one", || recorder.was_told(&key(2))).await;
    cluster.end_move("{s}", from, to);
    for n in [0, 2] {
        assert_eq!(store.get(&key(n)).await, Ok(Some(x())), "{n}");
    }
    assert!(store.release(&key(3), "me").await.unwrap());
    recorder.forget();
    let other = RedisStore::new(&cluster.url(), OPTIONS).unwrap();
    other.put(&key(0), x(), MINUTE).await.unwrap();
    until("told", || {
        recorder.is_current() && recorder.was_told(&key(0))
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_no_cluster_is_refused() {
    let server = RedisServer::start();
    let url = format!("redis+cluster://127.0.0.1:{}", server.port());
    let store = RedisStore::new(&url, OPTIONS).unwrap();
    let error = store.ping().await.unwrap_err();
    assert!(error.to_string().contains("cluster"), "{error}");
}
