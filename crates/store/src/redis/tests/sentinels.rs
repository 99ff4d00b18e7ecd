//! The master that sentinels know, and the next one.

use super::*;
use crate::{
    redis::changes::tests::{PATIENCE, Recorder, until},
    test_redis::RedisSentinels,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_master_loses_nothing_that_a_replica_has_acknowledged() {
    let mut set = RedisSentinels::start();
    let store = Arc::new(RedisStore::new(&set.url(), OPTIONS).unwrap());
    let x = || Bytes::from_static(b"x");
    for n in 0..50 {
        store
            .put(&format!("session:{n}"), x(), MINUTE * 10)
            .await
            .unwrap();
    }
    let recorder = Recorder::on(&store, "session:").await;
    // The store does not wait for replicas; the test does.
    set.until_replicated();
    recorder.forget();
    set.kill_master();
    until("not current", || !recorder.is_current()).await;
    assert!(!recorder.was_told("session:0"), "nothing is known yet");

    // Until then an error is what callers answer 503 to.
    let deadline = Instant::now() + PATIENCE;
    let mut error = None;
    while let Err(why) = store.put("session:new", x(), MINUTE).await {
        assert!(matches!(why, StoreError::Unreachable(_)), "{why:?}");
        let trusts = recorder.is_current();
        assert!(
            !trusts || set.has_master(),
            "nobody leads, and it trusts its copies"
        );
        assert!(Instant::now() < deadline, "{why}");
        error = Some(why);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(error.is_some(), "the master was gone for a while");
    for n in 0..50 {
        assert_eq!(store.get(&format!("session:{n}")).await, Ok(Some(x())));
    }
    // The new master has not been sent the scripts.
    assert!(
        store
            .compare_and_swap("session:0", b"x", x(), MINUTE)
            .await
            .unwrap()
    );

    contract::check(Arc::clone(&store), Time::Real)
        .await
        .unwrap();

    until("current again", || recorder.is_current()).await;
    recorder.forget();
    let other = RedisStore::new(&set.url(), OPTIONS).unwrap();
    other.put("session:1", x(), MINUTE).await.unwrap();
    until("told", || recorder.was_told("session:1")).await;
}

#[tokio::test]
async fn an_order_to_change_the_master_is_followed() {
    let set = RedisSentinels::start();
    let store = RedisStore::new(&set.url(), OPTIONS).unwrap();
    let recorder = Recorder::on(&store, "session:").await;
    let x = || Bytes::from_static(b"x");
    store.put("session:a", x(), MINUTE * 10).await.unwrap();
    set.until_replicated();
    let old = set.master().port();
    set.order_failover();
    let begun = Instant::now();
    let moved = async || {
        let is_led = store.put("session:b", x(), MINUTE).await.is_ok();
        is_led && set.master().port() != old && recorder.is_current()
    };
    while !moved().await {
        assert!(begun.elapsed() < PATIENCE, "it goes on with the old master");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(store.get("session:a").await, Ok(Some(x())));
    until("told by the new one", || {
        set.master().ask("SET sso-lab:session:c x");
        recorder.was_told("session:c")
    })
    .await;
}

#[tokio::test]
async fn one_sentinel_of_three_is_no_majority() {
    let set = RedisSentinels::start();
    let ports = set.sentinel_ports();
    let url = |hosts: [u16; 3]| {
        let [a, b, c] = hosts;
        format!("redis+sentinel://127.0.0.1:{a},127.0.0.1:{b},127.0.0.1:{c}/main")
    };
    let two = RedisStore::new(&url([1, ports[0], ports[1]]), OPTIONS).unwrap();
    two.ping().await.unwrap();
    let one = RedisStore::new(&url([1, 2, ports[0]]), OPTIONS).unwrap();
    let error = one.ping().await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    let unknown = RedisStore::new(&set.url().replace("/main", "/other"), OPTIONS).unwrap();
    let error = unknown.ping().await.unwrap_err().to_string();
    assert!(error.contains("knows no master \"other\""), "{error}");
}
