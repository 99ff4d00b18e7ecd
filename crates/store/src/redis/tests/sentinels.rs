//! The master that sentinels name, and failovers.

use super::*;
use crate::{redis::invalidations::tests::Recorder, test_redis::RedisSentinels};

fn x() -> Bytes {
    Bytes::from_static(b"x")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_master_loses_no_replicated_write() {
    let mut set = RedisSentinels::start(FAST_FAILOVER);
    let store = RedisStore::new(&set.url(), OPTIONS).unwrap();
    let keys: Vec<String> = (0..50).map(|n| format!("session:{n}")).collect();
    for key in &keys {
        eventually(async || store.put(key, x(), MINUTE * 10).await).await;
    }
    let recorder = Recorder::on(&store, "session:").await;
    // A write is answered before the replica has it, so the test waits for it.
    set.until_replicated();
    set.kill_master();
    until("not current", || !recorder.is_current()).await;

    // Until the replica has taken over, writes fail as unreachable.
    let mut has_failed = false;
    eventually(async || {
        let put = store.put("session:new", x(), MINUTE).await;
        has_failed |= put.is_err();
        let current = recorder.is_current();
        let has_master = set.has_master();
        assert!(!current || has_master, "current without a master");
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
    recorder.clear();
    let other = RedisStore::new(&set.url(), OPTIONS).unwrap();
    eventually(async || other.put("session:1", x(), MINUTE).await).await;
    until("invalidated", || recorder.saw("session:1")).await;
}

#[tokio::test]
async fn a_failover_by_command_is_followed() {
    let set = RedisSentinels::start(NO_FAILOVER);
    let store = RedisStore::new(&set.url(), OPTIONS).unwrap();
    let recorder = Recorder::on(&store, "session:").await;
    store.put("session:a", x(), MINUTE * 10).await.unwrap();
    set.until_replicated();
    set.order_failover();
    eventually(async || store.put("session:b", x(), MINUTE).await).await;
    let kept = eventually(async || store.get("session:a").await).await;
    assert_eq!(kept, Some(x()));
    // Only the new master accepts the write and sends its invalidation.
    until("invalidated by the new master", || {
        for server in set.servers() {
            server.ask("SET sso-lab:session:c x");
        }
        recorder.is_current() && recorder.saw("session:c")
    })
    .await;
}

#[tokio::test]
async fn one_sentinel_of_three_is_no_majority() {
    let set = RedisSentinels::start(NO_FAILOVER);
    let ports = set.sentinel_ports();
    let url = |hosts: [u16; 3]| {
        let [a, b, c] = hosts;
        format!("redis+sentinel://127.0.0.1:{a},127.0.0.1:{b},127.0.0.1:{c}/main")
    };
    let two = RedisStore::new(&url([1, ports[0], ports[1]]), OPTIONS).unwrap();
    eventually(async || two.ping().await).await;
    let one = RedisStore::new(&url([1, 2, ports[0]]), OPTIONS).unwrap();
    let error = one.ping().await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    let unknown = RedisStore::new(&set.url().replace("/main", "/other"), OPTIONS).unwrap();
    let error = unknown.ping().await.unwrap_err().to_string();
    assert!(error.contains("knows no master \"other\""), "{error}");
}
