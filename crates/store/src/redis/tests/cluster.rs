//! A cluster: redirections, and the effect of failing masters on callers.

use super::*;
use crate::{redis::invalidations::tests::Recorder, test_redis::RedisCluster};

fn x() -> Bytes {
    Bytes::from_static(b"x")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replica_takes_over_from_a_killed_master_without_losing_replicated_writes() {
    let mut cluster = RedisCluster::start(FAST_FAILOVER);
    let store = RedisStore::new(&cluster.url(), OPTIONS).unwrap();
    let keys: Vec<String> = (0..60).map(|n| format!("session:{n}")).collect();
    for key in &keys {
        eventually(async || store.put(key, x(), MINUTE * 10).await).await;
    }
    let recorder = Recorder::on(&store, "session:").await;
    // A write is answered before replicas have it, so the test waits for them.
    cluster.until_replicated();
    let dead = cluster.master_of("sso-lab:session:0");
    cluster.kill(dead);
    until("not current", || !recorder.is_current()).await;

    // Until a replica has taken over, writes fail as unreachable.
    let mut has_failed = false;
    eventually(async || {
        let put = store.put(&keys[0], x(), MINUTE * 10).await;
        has_failed |= put.is_err();
        let current = recorder.is_current();
        let replaced = cluster.has_master_of("sso-lab:session:0");
        assert!(!current || replaced, "current without a master of the key");
        put
    })
    .await;
    assert!(has_failed, "no write failed during the failover");
    for key in &keys {
        let kept = eventually(async || store.get(key).await).await;
        assert_eq!(kept, Some(x()), "{key}");
    }
    // The new master does not have the scripts yet.
    let swap = async || store.compare_and_swap(&keys[0], b"x", x(), MINUTE).await;
    assert!(eventually(swap).await);

    until("current again", || recorder.is_current()).await;
    let other = RedisStore::new(&cluster.url(), OPTIONS).unwrap();
    for key in &keys {
        recorder.clear();
        eventually(async || other.put(key, x(), MINUTE * 10).await).await;
        until("invalidated", || recorder.saw(key)).await;
    }
    // The restarted server is a replica and redirects to the new master.
    cluster.restart(dead);
    for store in [&store, &other] {
        let kept = eventually(async || store.get(&keys[0]).await).await;
        assert_eq!(kept, Some(x()));
    }
}

/// One connection, so that keys of all nodes share it.
const ONE_CONNECTION: Options = Options {
    connect: Duration::from_secs(2),
    response: Duration::from_secs(1),
    shared_connections: 1,
};

/// A store of this cluster, and a key of each master.
async fn store_and_keys(cluster: &RedisCluster) -> (RedisStore, [String; 3]) {
    let store = RedisStore::new(&cluster.url(), ONE_CONNECTION).unwrap();
    let key_of = |master| {
        let mut keys = (0..).map(|n| format!("session:{n}"));
        let is_on = |key: &String| cluster.master_of(&format!("sso-lab:{key}")) == master;
        keys.find(is_on).unwrap()
    };
    let keys = [0, 1, 2].map(key_of);
    for key in &keys {
        eventually(async || store.put(key, x(), MINUTE * 10).await).await;
    }
    cluster.until_replicated();
    (store, keys)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_hangs_delays_its_own_keys_alone_and_each_within_the_timeout() {
    let cluster = RedisCluster::start(NO_FAILOVER);
    let (store, keys) = store_and_keys(&cluster).await;
    let [hanging, others @ ..] = &keys;
    cluster.servers()[0].pause();
    let limit = ONE_CONNECTION.response + SLACK;
    let delayed = async {
        for _ in 0..4 {
            let begun = Instant::now();
            let (read, written) = tokio::join!(
                store.get(hanging),
                store.compare_and_swap(hanging, b"x", x(), MINUTE),
            );
            for error in [read.err(), written.err()] {
                assert!(
                    matches!(error, Some(StoreError::Unreachable(_))),
                    "{error:?}"
                );
            }
            assert!(begun.elapsed() < limit, "{:?}", begun.elapsed());
        }
    };
    let (mut served, mut slowest) = (0, Duration::ZERO);
    let serving = async {
        loop {
            for key in others {
                let begun = Instant::now();
                assert_eq!(store.get(key).await, Ok(Some(x())), "{key} after {served}");
                store.put(key, x(), MINUTE * 10).await.unwrap();
                slowest = slowest.max(begun.elapsed());
                served += 1;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = delayed => {}
        () = serving => {}
    }
    println!("{served} keys of other nodes served, the slowest in {slowest:?}");
    assert!(served > 100, "only {served} keys of other nodes served");
    cluster.servers()[0].resume();
    assert_eq!(
        eventually(async || store.get(hanging).await).await,
        Some(x())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replica_takes_over_from_a_node_that_hangs() {
    let cluster = RedisCluster::start(FAST_FAILOVER);
    let (store, keys) = store_and_keys(&cluster).await;
    cluster.servers()[0].pause();
    for key in &keys {
        let put = async || {
            let begun = Instant::now();
            let put = store.put(key, x(), MINUTE * 10).await;
            let limit = ONE_CONNECTION.connect + ONE_CONNECTION.response + SLACK;
            assert!(begun.elapsed() < limit, "{key}: {:?}", begun.elapsed());
            put
        };
        eventually(put).await;
    }
    // It returns as a replica, and redirects to the new master.
    cluster.servers()[0].resume();
    let other = RedisStore::new(&cluster.url(), OPTIONS).unwrap();
    for key in &keys {
        for store in [&store, &other] {
            let read = eventually(async || store.get(key).await).await;
            assert_eq!(read, Some(x()), "{key}");
        }
    }
}

#[tokio::test]
async fn a_key_is_served_while_its_slot_moves() {
    let cluster = RedisCluster::start(NO_FAILOVER);
    let store = RedisStore::new(&cluster.url(), OPTIONS).unwrap();
    let recorder = Recorder::on(&store, "session:").await;
    // All keys are in one slot, which moves from one master to the next.
    let key = |n: u32| format!("session:{{s}}{n}");
    let from = cluster.master_of("{s}");
    let to = (from + 1) % 3;
    store.put(&key(0), x(), MINUTE * 10).await.unwrap();
    cluster.begin_move("{s}", from, to);
    // Absent keys are redirected by ASK to the new master.
    assert_eq!(store.get(&key(0)).await, Ok(Some(x())));
    assert_eq!(store.get(&key(1)).await, Ok(None));
    store.put(&key(2), x(), MINUTE * 10).await.unwrap();
    assert!(store.lease(&key(3), "me", MINUTE).await.unwrap());
    let swapped = store.compare_and_swap(&key(4), b"x", x(), MINUTE).await;
    assert_eq!(swapped, Ok(false));
    let there = cluster.servers()[to].ask("INFO keyspace");
    assert!(there.contains("keys="), "{there}");
    until("invalidated by the new master", || recorder.saw(&key(2))).await;
    cluster.end_move("{s}", from, to);
    for n in [0, 2] {
        assert_eq!(store.get(&key(n)).await, Ok(Some(x())), "{n}");
    }
    assert!(store.release(&key(3), "me").await.unwrap());
    recorder.clear();
    let other = RedisStore::new(&cluster.url(), OPTIONS).unwrap();
    other.put(&key(0), x(), MINUTE).await.unwrap();
    until("invalidated", || {
        recorder.is_current() && recorder.saw(&key(0))
    })
    .await;
}

#[tokio::test]
async fn a_server_outside_a_cluster_is_refused() {
    let server = RedisServer::start();
    let url = format!("redis+cluster://127.0.0.1:{}", server.port());
    let store = RedisStore::new(&url, OPTIONS).unwrap();
    let error = store.ping().await.unwrap_err();
    assert!(error.to_string().contains("cluster"), "{error}");
}
