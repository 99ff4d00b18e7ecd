//! The master that sentinels know, and the next one.

use super::*;
use crate::{redis::invalidations::tests::Recorder, test_redis::RedisSentinels};

fn x() -> Bytes {
    Bytes::from_static(b"x")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_master_loses_nothing_that_a_replica_has_acknowledged() {
    let mut set = RedisSentinels::start(SOON);
    let store = RedisStore::new(&set.url(), OPTIONS).unwrap();
    let keys: Vec<String> = (0..50).map(|n| format!("session:{n}")).collect();
    for key in &keys {
        in_the_end(async || store.put(key, x(), MINUTE * 10).await).await;
    }
    let recorder = Recorder::on(&store, "session:").await;
    // The store does not wait for replicas; the test does.
    set.until_replicated();
    set.kill_master();
    until("not current", || !recorder.is_current()).await;

    // Until another leads, callers get what they answer 503 to.
    let mut was_away = false;
    in_the_end(async || {
        let put = store.put("session:new", x(), MINUTE).await;
        was_away |= put.is_err();
        let trusts = recorder.is_current();
        let led = set.has_master();
        assert!(!trusts || led, "nobody leads, and it trusts its copies");
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
    recorder.forget();
    let other = RedisStore::new(&set.url(), OPTIONS).unwrap();
    in_the_end(async || other.put("session:1", x(), MINUTE).await).await;
    until("told", || recorder.was_told("session:1")).await;
}

#[tokio::test]
async fn an_order_to_change_the_master_is_followed() {
    let set = RedisSentinels::start(CALM);
    let store = RedisStore::new(&set.url(), OPTIONS).unwrap();
    let recorder = Recorder::on(&store, "session:").await;
    store.put("session:a", x(), MINUTE * 10).await.unwrap();
    set.until_replicated();
    set.order_failover();
    in_the_end(async || store.put("session:b", x(), MINUTE).await).await;
    let kept = in_the_end(async || store.get("session:a").await).await;
    assert_eq!(kept, Some(x()));
    // The old one is a replica soon, and has nothing to tell by itself.
    until("told by the new one", || {
        for server in set.servers() {
            server.ask("SET sso-lab:session:c x");
        }
        recorder.is_current() && recorder.was_told("session:c")
    })
    .await;
}

#[tokio::test]
async fn one_sentinel_of_three_is_no_majority() {
    let set = RedisSentinels::start(CALM);
    let ports = set.sentinel_ports();
    let url = |hosts: [u16; 3]| {
        let [a, b, c] = hosts;
        format!("redis+sentinel://127.0.0.1:{a},127.0.0.1:{b},127.0.0.1:{c}/main")
    };
    let two = RedisStore::new(&url([1, ports[0], ports[1]]), OPTIONS).unwrap();
    in_the_end(async || two.ping().await).await;
    let one = RedisStore::new(&url([1, 2, ports[0]]), OPTIONS).unwrap();
    let error = one.ping().await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    let unknown = RedisStore::new(&set.url().replace("/main", "/other"), OPTIONS).unwrap();
    let error = unknown.ping().await.unwrap_err().to_string();
    assert!(error.contains("knows no master \"other\""), "{error}");
}
